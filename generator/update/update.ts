import { resolve } from 'node:path'
import { renderRecord } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { Failure } from '../failure.ts'
import { say, type Screen } from '../progress.ts'
import { ownPackage } from '../root.ts'
import { adopted, type Adoption } from './adopt.ts'
import { basesOf } from './bases.ts'
import { repositoryAt } from './git.ts'
import { lastUpdate, recover } from './journal.ts'
import { isNewer } from './migration.ts'
import { updateHelp, updateOptionsFrom, type UpdateOptions } from './options.ts'
import { changesOf, conflictsOf } from './outcome.ts'
import { planUpdate } from './plan.ts'
import { restored } from './restore.ts'
import { describe, exitCodeOf, filesOf, type UpdateResult } from './result.ts'
import { markedFiles, readRecord, refuseDowngrade, refuseUnfinished, type Service } from './service.ts'
import { planTheirs } from './theirs.ts'
import { restoreLast, write } from './write.ts'

/**
 * `create-mainstem update`.
 * @param args the command line after the word `update`
 * @returns the exit code that `--help` describes
 * @throws Failure for a problem that the user can fix: then nothing was written
 */
export async function update(ctx: Context, args: readonly string[]): Promise<number> {
  const options = updateOptionsFrom(args)
  if (options.help) {
    process.stdout.write(updateHelp)
    return 0
  }
  const screen: Screen = options.json
    ? { stream: process.stderr, animated: false }
    : { stream: process.stdout, animated: process.stdout.isTTY && !process.env['CI'] }
  const result = await resultOf(ctx, screen, options)
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  else describe(screen, result, options.dryRun)
  return exitCodeOf(result)
}

async function resultOf(ctx: Context, screen: Screen, options: UpdateOptions): Promise<UpdateResult> {
  const root = resolve(options.directory)
  const known = readRecord(root)
  const finished = recover(root)
  if (finished !== undefined) {
    const { from, to, conflicts } = finished
    const files = conflicts.map((path) => ({ path, change: 'conflict', why: [] }) as const)
    return {
      from,
      to,
      state: 'finished',
      dryRun: false,
      installed: false,
      files,
      notes: ['if package.json changed, install the dependencies'],
    }
  }
  const repository = repositoryAt(ctx, root)
  if (options.abort) return abort(ctx, root)
  const { record, stamped } =
    known === undefined
      ? await adopted(ctx, screen, root, repository, options)
      : { record: known, stamped: new Map<string, never>() }
  const service: Service = { root, record, repository }
  if (options.check) return check(ctx, service)
  if (!options.restamp) refuseDowngrade(service, ownPackage().version)
  if (options.restore.length > 0) return restored(ctx, screen, service, options)
  if (!options.dryRun) refuseUnfinished(ctx, service)
  return apply(ctx, screen, service, options, stamped)
}

async function apply(
  ctx: Context,
  screen: Screen,
  service: Service,
  options: UpdateOptions,
  stamped: Adoption['stamped'],
): Promise<UpdateResult> {
  const { root, record, repository } = service
  say(
    screen,
    options.restamp ? 'Stamping the pieces again …' : `Merging create-mainstem ${ownPackage().version} …`,
  )
  const bases = basesOf(root, record, repository, options.from, stamped)
  const plan = await planUpdate(ctx, service, bases, options.restamp)
  const [changes, conflicts, files] = [
    changesOf(plan.outcomes),
    conflictsOf(plan.outcomes),
    filesOf(plan.outcomes),
  ]
  const { from, to, notes } = plan
  const isSame =
    changes.length === 0 &&
    conflicts.size === 0 &&
    renderRecord(plan.record) === renderRecord(record) &&
    readRecord(root) !== undefined
  const about = { from, to, dryRun: options.dryRun, files, notes }
  const state = isSame ? 'current' : conflicts.size > 0 ? 'conflicts' : 'updated'
  if (isSame || options.dryRun) return { ...about, state, installed: false }
  const installed = await write(ctx, screen, service, {
    to,
    record: plan.record,
    changes,
    conflicts,
    install: options.install,
  })
  return { ...about, state, installed, notes: [...notes, ...nextNotes(service, changes, installed)] }
}

/** What a person must do by hand now. */
function nextNotes({ root }: Service, changes: readonly { path: string }[], installed: boolean): string[] {
  const wrote = (part: RegExp): boolean => changes.some(({ path }) => part.test(path))
  return [
    ...(wrote(/^package\.json$/) && !installed
      ? ['install the dependencies if package.json asks for others now']
      : []),
    ...(wrote(/\.schema\.ts$/)
      ? [`a schema changed in ${root}: make a migration with the script db:generate if check asks for one`]
      : []),
  ]
}

async function check(ctx: Context, service: Service): Promise<UpdateResult> {
  const { record } = service
  const { version } = ownPackage()
  const files = markedFiles(service).map(
    (path) => ({ path, change: 'conflict', why: ['holds conflict markers'] }) as const,
  )
  const theirs = record.version === version ? await planTheirs(ctx, record) : undefined
  const differs =
    theirs !== undefined &&
    renderRecord({ ...theirs.record, pieces: [] }) !== renderRecord({ ...record, pieces: [] })
  const state =
    files.length > 0 ? 'conflicts' : differs || isNewer(version, record.version) ? 'behind' : 'current'
  return { from: record.version, to: version, state, dryRun: false, installed: false, files, notes: [] }
}

function abort(ctx: Context, root: string): UpdateResult {
  const last = lastUpdate(root)
  if (last === undefined) throw new Failure('there is no update to take back')
  const repository = repositoryAt(ctx, root)
  if (repository !== undefined && repository.head !== last.head)
    throw new Failure('something was committed since the update: take it back with git revert')
  const { changed, kept } = restoreLast(ctx, root, repository)
  const notes = changed.map((path) => `${path} had changed since the update: a copy is in ${kept}`)
  return {
    from: last.to,
    to: last.from,
    state: 'taken back',
    dryRun: false,
    installed: false,
    files: [],
    notes,
  }
}
