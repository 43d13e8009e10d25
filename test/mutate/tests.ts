import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { throwIfEnded } from '../../generator/ended.ts'
import { afterFunc, withTimeout, type Context } from '../../templates/service/src/context/context.ts'
import { reachOf } from './reach.ts'

/** The tests of a service, run in its folder. */
export interface Tests {
  /**
   * The test files that can notice a change to `file`: first those named after it, then the other tests without a
   * service, then those with one.
   */
  for(file: string): Promise<TestFiles>
  /**
   * The first test of `files` that fails with `file` changed to `mutated`, or undefined if all pass. A failure counts only if the
   * test fails twice, because a busy machine also fails tests, and if its file passes without the change.
   */
  failureIn(
    ctx: Context,
    files: readonly string[],
    file: string,
    mutated: string,
  ): Promise<string | undefined>
}

interface TestFiles {
  readonly near: readonly string[]
  readonly inside: readonly string[]
  readonly through: readonly string[]
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** A run that takes longer hangs because of its mutant: unchanged, the tests take four minutes on two cores. */
const limitMs = 600_000

/** @param databaseUrl a server on which the tests make databases: starting one for each run would take most of the time */
export function openTests(directory: string, databaseUrl: string): Tests {
  const reportPath = join(directory, '.mutate-report.json')
  const sound = new Set<string>()
  const unsound = new Set<string>()

  async function run(ctx: Context, files: readonly string[]): Promise<string | undefined> {
    await rm(reportPath, { force: true })
    using limited = withTimeout(ctx, limitMs)
    const program = join(directory, 'node_modules/vitest/vitest.mjs')
    const args = ['run', '--bail=1', '--reporter=json', `--outputFile=${reportPath}`, ...files]
    const child = spawn(process.execPath, [program, ...args], {
      cwd: directory,
      env: { ...process.env, TEST_DATABASE_URL: databaseUrl },
      stdio: 'ignore',
      // In its own process group, so that everything its tests started ends with it.
      detached: true,
    })
    const stop = afterFunc(limited, () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    })
    const [code] = (await once(child, 'close')) as [number | null]
    stop()
    throwIfEnded(ctx)
    if (limited.err !== undefined) return `not done after ${limitMs / 1_000} s: ${files.join(' ')}`
    if (code === 0) return undefined
    if (!existsSync(reportPath)) return `vitest ended with ${code}: ${files.join(' ')}`
    return failureOf(JSON.parse(await readFile(reportPath, 'utf8')) as Report)
  }

  return {
    async for(file) {
      const all = (await readdir(directory, { recursive: true })).filter(
        (path) => /^(src|test)\//.test(path) && path.endsWith('.test.ts'),
      )
      const near: string[] = []
      const inside: string[] = []
      const through: string[] = []
      for (const path of all.toSorted()) {
        const reach = await reachOf(directory, path)
        // The tests of contexts write scripts, whose imports are unknown.
        const blind = !reach.has(file) && !(isOfContext(file) && isOfContext(path))
        if (blind) continue
        if (isNamedAfter(path, file)) near.push(path)
        else if (reach.has('src/main.ts')) through.push(path)
        else inside.push(path)
      }
      return { near, inside, through }
    },

    async failureIn(ctx, files, file, mutated) {
      for (;;) {
        const usable = files.filter((each) => !unsound.has(each))
        if (usable.length === 0) return undefined
        const failure = await changed(file, mutated, () => run(ctx, usable))
        if (failure === undefined) return undefined
        const culprit = usable.find((each) => failure.startsWith(`${each}:`))
        const suspects = culprit === undefined ? usable : [culprit]
        const again = await changed(file, mutated, () => run(ctx, suspects))
        if (culprit !== undefined && !sound.has(culprit)) {
          const anyway = await run(ctx, suspects)
          if (anyway === undefined) {
            sound.add(culprit)
          } else {
            unsound.add(culprit)
            console.log(`left out from now on, because it fails without any change: ${anyway}`)
            continue
          }
        }
        if (again !== undefined) return again
        // It runs alone this time. The tests that --bail skipped run afterwards.
        const others = usable.filter((each) => each !== culprit)
        return culprit === undefined ? undefined : this.failureIn(ctx, others, file, mutated)
      }
    },
  }

  async function changed<T>(file: string, text: string, work: () => Promise<T>): Promise<T> {
    const path = join(directory, file)
    const original = await readFile(path, 'utf8')
    await writeFile(path, text)
    try {
      return await work()
    } finally {
      await writeFile(path, original)
    }
  }
}

/** `database-streams.test.ts` for `database-stream.ts`, in any folder. */
function isNamedAfter(test: string, file: string): boolean {
  return basename(test).startsWith(basename(file, '.ts'))
}

function isOfContext(path: string): boolean {
  return path.startsWith('src/context/') || path.startsWith('test/proofs/context/')
}

function failureOf({ testResults }: Report): string {
  const failed = testResults.find(({ status }) => status !== 'passed')
  if (failed === undefined) return 'vitest failed outside of the tests'
  const test = failed.assertionResults.find(({ status }) => status === 'failed')
  const file = failed.name.replace(/^.*?\/((?:src|test)\/)/, '$1')
  return `${file}: ${test?.fullName ?? failed.message.split('\n')[0] ?? 'did not load'}`
}
