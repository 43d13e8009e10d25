import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { throwIfEnded } from '../../generator/ended.ts'
import { startPostgres } from '../../templates/service/scripts/postgres/postgres.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { command } from '../../bench/support/command.ts'
import { equivalentOf, refuseStale } from './equivalent.ts'
import { openLinter, type Linter } from './lint.ts'
import { apply, mutantsOf, type Mutant } from './mutants.ts'
import { parseOptions, usage, type Options } from './options.ts'
import { reportOf } from './report.ts'
import { hashOf, openResults, type Finding } from './results.ts'
import { copyService } from './service-copy.ts'
import { openTests, type Tests } from './tests.ts'
import { openTypes, type Types } from './types.ts'

/** The checks of a service, the cheapest first. */
interface Checks {
  readonly directory: string
  readonly types: Types
  readonly linter: Linter
  readonly tests: Tests
}

/** Prints every mutant that no check noticed. It mutates a copy, not this tree. */
async function main(ctx: Context, options: Options): Promise<boolean> {
  await using copy = await copyService(ctx)
  const { directory } = copy
  const types = openTypes(directory)
  const all = types.files.flatMap((file) => mutantsOf(types.checker, types.source(file), file))
  refuseStale(all, (mutant) => lineOf(mutant, types.source(mutant.file).text))
  const postgres = await startPostgres({
    dir: await mkdtemp(join(tmpdir(), 'mainstem-mutate-postgres-')),
    persistent: false,
  })
  try {
    const checks = {
      directory,
      types,
      linter: openLinter(directory),
      tests: openTests(directory, postgres.url),
    }
    const mutants = all
      .filter(({ file }) => file.startsWith(options.only))
      .filter(({ kind }) => options.kinds.size === 0 || options.kinds.has(kind))
    const done = await checkAll(ctx, checks, mutants, options)
    console.log(reportOf(mutants.length, done))
    return done.every(({ result }) => result.by !== 'nothing')
  } finally {
    await postgres.stop()
  }
}

async function checkAll(ctx: Context, checks: Checks, mutants: readonly Mutant[], options: Options) {
  const results = await openResults(options.resume)
  // An unnoticed mutant is checked again if some tests did not run on it.
  const skipped = new Set(
    [...options.skip].filter((each) => each !== 'service' || options.through.length === 0),
  )
  const done: { mutant: Mutant; result: Finding }[] = []
  let fresh = 0
  for (const mutant of mutants) {
    throwIfEnded(ctx)
    const text = await readFile(join(checks.directory, mutant.file), 'utf8')
    // Not stored: the current list decides.
    const equivalent = equivalentOf(mutant, lineOf(mutant, text))
    if (equivalent !== undefined) {
      done.push({ mutant, result: { by: 'equivalent', detail: equivalent.reason } })
      continue
    }
    const hash = hashOf(text)
    const known = results.find(mutant.id, hash, skipped)
    if (known !== undefined) {
      done.push({ mutant, result: known })
      continue
    }
    if (fresh++ >= options.limit) break
    const found = await check(ctx, checks, mutant, text, options)
    const result = { id: mutant.id, hash, skipped: [...options.skip], ...found }
    await results.add(result)
    done.push({ mutant, result })
    console.log(
      `${done.length}/${mutants.length} ${mutant.file}:${mutant.line} ${result.by}: ${result.detail}`,
    )
  }
  return done
}

/** Checks a mutant, and stops at the first check that notices it. */
async function check(
  ctx: Context,
  { types, linter, tests }: Checks,
  mutant: Mutant,
  text: string,
  options: Options,
): Promise<Finding> {
  const { skip } = options
  const mutated = apply(mutant, text)
  if (!skip.has('types')) {
    const error = types.errorIn(mutant.file, mutated)
    if (error !== undefined) return { by: 'types', detail: error }
  }
  if (!skip.has('lint')) {
    const error = await linter.errorIn(mutant.file, mutated)
    if (error !== undefined) return { by: 'lint', detail: error }
  }
  if (!skip.has('tests')) {
    const { near, inside, through } = await tests.for(mutant.file)
    const wanted = skip.has('service')
      ? through.filter((file) => options.through.some((path) => file.startsWith(path)))
      : through
    for (const files of [near, inside, wanted]) {
      const failure = await tests.failureIn(ctx, files, mutant.file, mutated)
      if (failure !== undefined) return { by: 'tests', detail: failure }
    }
  }
  return { by: 'nothing', detail: lineOf(mutant, text) }
}

function lineOf(mutant: Mutant, text: string): string {
  return text.split('\n')[mutant.line - 1]?.trim() ?? ''
}

await command(usage, parseOptions, main)
