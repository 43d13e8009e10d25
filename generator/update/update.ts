import { resolve } from 'node:path'
import { lockService, refuseLocked } from '../../templates/service/generators/engine/lock.ts'
import {
  recordPath,
  renderRecord,
  type ServiceRecord,
} from '../../templates/service/generators/engine/record.ts'
import { strayPeers } from '../../templates/service/scripts/doctor/peers.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { errorCode, Failure, failureFrom, writeFailure } from '../failure.ts'
import { commandsOf } from '../manager-files.ts'
import { say, type Screen } from '../progress.ts'
import { ownPackage } from '../root.ts'
import { aborted } from './abort.ts'
import { adopted, type Adoption } from './adopt.ts'
import { basesOf } from './bases.ts'
import { repositoryAt } from './git.ts'
import { storeTexts } from './history.ts'
import { recover, waitingUpdate, type Written } from './journal.ts'
import { managerOf } from './manager.ts'
import { isNewer } from './migration.ts'
import { updateHelp, updateOptionsFrom, type UpdateOptions } from './options.ts'
import { changesOf, conflictsOf } from './outcome.ts'
import { planUpdate } from './plan.ts'
import { restored } from './restore.ts'
import { describe, exitCodeOf, filesOf, inWords, type UpdateResult } from './result.ts'
import {
  markedFiles,
  readRecord,
  refuseDowngrade,
  refuseUnfinished,
  requireManifest,
  type Service,
} from './service.ts'
import { planTheirs } from './theirs.ts'
import { installRootOf, write } from './write.ts'

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
  const root = resolve(options.directory)
  const known = readRecord(root)
  const words = commandsOf(managerOf(root, known ?? { answers: {} }))
  let result: UpdateResult
  try {
    result = inWords(await resultOf(ctx, screen, options, root, known), words)
  } catch (cause) {
    const error = writeFailure(cause)
    if (!(error instanceof Failure)) throw error
    throw new Failure(words(error.message), { cause: error, output: error.output })
  }
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
  else describe(screen, result, options.dryRun, words)
  return exitCodeOf(result)
}

async function resultOf(
  ctx: Context,
  screen: Screen,
  options: UpdateOptions,
  root: string,
  known: ServiceRecord | undefined,
): Promise<UpdateResult> {
  if (options.check && known !== undefined) return check(ctx, root, known)
  const repository = repositoryAt(ctx, root)
  const reads = options.check || options.dryRun
  using _lock = lockedUnless(reads, root)
  if (options.abort) return aborted(ctx, root, repository)
  const killed = reads ? waitingUpdate(root) : recover(root, repository?.head)
  if (killed !== undefined) return finished(killed, options.dryRun)
  requireManifest(root)
  // Checked again: a killed `npm run add` may just have been finished.
  const there = readRecord(root)
  const { record, stamped } =
    there === undefined
      ? await adopted(ctx, screen, root, repository, options)
      : { record: there, stamped: new Map<string, never>() }
  if (options.check) return await check(ctx, root, record)
  const service: Service = { root, record, repository }
  if (!options.restamp) refuseDowngrade(service, ownPackage().version)
  if (options.restore.length > 0) return await restored(ctx, screen, service, options)
  if (!options.dryRun) refuseUnfinished(ctx, service)
  return await apply(ctx, screen, service, options, stamped)
}

/** The lock on the service; none for a run that only reads. @throws Failure if another run is changing the service */
function lockedUnless(reads: boolean, root: string): Disposable | undefined {
  try {
    if (!reads) return lockService(root)
    refuseLocked(root)
    return undefined
  } catch (error) {
    throw errorCode(error) === undefined ? failureFrom(error) : error
  }
}

/** Finishes an update that was killed while it wrote; with `--dry-run` it only reports it. */
function finished({ from, to, entries, conflicts }: Written, dryRun: boolean): UpdateResult {
  const files = entries
    .filter(({ kind, path }) => kind !== 'saved' && path !== recordPath)
    .map(({ path, kind, before }) => {
      const change = conflicts.includes(path)
        ? 'conflict'
        : kind === 'remove'
          ? 'deleted'
          : before === undefined
            ? 'added'
            : 'updated'
      return { path, change, why: [] } as const
    })
  const notes = ['if package.json changed, install the dependencies']
  return { from, to, state: 'finished', dryRun, installed: false, files, notes }
}

async function apply(
  ctx: Context,
  screen: Screen,
  service: Service,
  options: UpdateOptions,
  stamped: Adoption['stamped'],
): Promise<UpdateResult> {
  const { root, record, repository } = service
  const began = Date.now()
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
  if (repository !== undefined) storeTexts(ctx, root, repository, [...stamped.values(), ...plan.merged])
  const installed = await write(ctx, screen, service, {
    to,
    record: plan.record,
    changes,
    conflicts,
    install: options.install,
    began,
  })
  return { ...about, state, installed, notes: [...notes, ...nextNotes(service, changes, installed)] }
}

/** What the user must do by hand now. */
function nextNotes(service: Service, changes: readonly { path: string }[], installed: boolean): string[] {
  const { root } = service
  const wrote = (part: RegExp): boolean => changes.some(({ path }) => part.test(path))
  return [
    ...(wrote(/^package\.json$/) && !installed
      ? ['install the dependencies if package.json asks for others now']
      : []),
    ...(wrote(/\.schema\.ts$/)
      ? [`a schema changed in ${root}: make a migration with the script db:generate if check asks for one`]
      : []),
    ...(installed ? strayPeers(root, installRootOf(service)) : []).map(({ seen, fix }) => `${seen}: ${fix}`),
  ]
}

async function check(ctx: Context, root: string, record: ServiceRecord): Promise<UpdateResult> {
  const { version } = ownPackage()
  const files = markedFiles(root, record).map(
    (path) => ({ path, change: 'conflict', why: ['holds conflict markers'] }) as const,
  )
  const theirs = record.version === version ? await planTheirs(ctx, record) : undefined
  const differs =
    theirs !== undefined &&
    renderRecord({ ...theirs.record, pieces: [] }) !== renderRecord({ ...record, pieces: [] })
  const killed = waitingUpdate(root) !== undefined
  const isBehind = killed || differs || isNewer(version, record.version)
  const state = files.length > 0 ? 'conflicts' : isBehind ? 'behind' : 'current'
  const notes = [
    ...(killed ? ['an update was killed while it wrote: the next update finishes it'] : []),
    ...(isNewer(record.version, version)
      ? [`the service is from create-mainstem ${record.version}, which is newer than this command`]
      : []),
  ]
  return { from: record.version, to: version, state, dryRun: false, installed: false, files, notes }
}
