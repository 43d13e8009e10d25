import { existsSync, lstatSync } from 'node:fs'
import { join, relative } from 'node:path'
import {
  recordPath,
  renderRecord,
  type ServiceRecord,
} from '../../templates/service/generators/engine/record.ts'
import { withoutCancel, type Context } from '../../templates/service/src/context/context.ts'
import { Failure, failureFrom } from '../failure.ts'
import { install } from '../install.ts'
import { lockFiles } from '../package-manager.ts'
import { step, type Screen } from '../progress.ts'
import { look } from './disk.ts'
import { joined, workspaceOf } from '../workspace.ts'
import { textFile } from '../tree.ts'
import { managerOf } from './manager.ts'
import { restoreLast } from './abort.ts'
import { unmergedLines, type Sides } from './git.ts'
import { lastUpdate, writeAll, type FileChange } from './journal.ts'
import { refuseUntracked, type Service } from './service.ts'

/** What `write` writes. */
export interface Writing {
  readonly to: string
  readonly record: ServiceRecord
  readonly changes: readonly FileChange[]
  readonly conflicts: ReadonlyMap<string, Sides>
  readonly install: boolean
  /** When the run began. A file that has changed since is not overwritten. */
  readonly began: number
}

/**
 * Writes all changes and the record, or nothing, and installs if the dependencies changed. If the install fails, it undoes
 * everything.
 * @returns whether it installed
 * @throws Failure if nothing was written, or if it could not be undone
 */
export async function write(
  ctx: Context,
  screen: Screen,
  service: Service,
  writing: Writing,
): Promise<boolean> {
  const { root, repository } = service
  const { to, changes, conflicts } = writing
  refuseChanged(root, changes, writing.began)
  refuseUntracked(
    ctx,
    service,
    changes.map(({ path }) => path),
  )
  const installs = writing.install && changesDependencies(root, changes)
  const record = textFile(renderRecord(writing.record))
  const index = repository === undefined ? '' : unmergedLines(root, repository, conflicts)
  const about = {
    from: service.record.version,
    to,
    head: repository?.head,
    index,
    conflicts: [...conflicts.keys()],
  }
  const installRoot = installRootOf(service)
  const locks = lockFiles.map((file) => relative(root, join(installRoot, file)))
  writeAll(root, [...changes, { path: recordPath, after: record }], installs ? locks : [], about)
  if (!installs) return false
  const manager = managerOf(root, service.record)
  try {
    await step(ctx, screen, `Installing with ${manager}`, (ctx) => install(ctx, manager, root, installRoot))
    return true
  } catch (error) {
    takeBackAfter(withoutCancel(ctx), service, error)
    if (!(error instanceof Failure)) throw error
    const message = `${error.message}; nothing was written: fix that, or update with --no-install and install later`
    throw new Failure(message, { cause: error, output: error.output })
  }
}

/**
 * Undoes the update whose install failed. @throws Failure with both reasons if the undo fails too: then the update stays written
 */
function takeBackAfter(ctx: Context, { root, repository }: Service, error: unknown): void {
  const update = lastUpdate(root)
  if (update === undefined) return
  try {
    restoreLast(ctx, root, repository, update)
  } catch (cause) {
    const [first, second] = [failureFrom(error).message, failureFrom(cause).message]
    throw new Failure(`${first}, and ${second}: the update is written, and update --abort undoes it`, {
      cause: error,
      output: error instanceof Failure ? error.output : '',
    })
  }
}

/** @throws Failure if a file has been changed or created since the run began */
function refuseChanged(root: string, changes: readonly FileChange[], began: number): void {
  const changed = changes.find(({ path }) => {
    const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
    return stats !== undefined && stats.ctimeMs > began
  })
  if (changed !== undefined)
    throw new Failure(`${changed.path} was changed while the update was planned: run it again`)
}

/**
 * The folder in which the package manager installs: for a member of a workspace, its root. A service that was created alone and
 * then moved into a workspace is a member if it has no lock file of its own.
 */
export function installRootOf({ root, record }: Service): string {
  const isAlone =
    record.answers['workspace'] === undefined && lockFiles.some((file) => existsSync(join(root, file)))
  return (isAlone ? undefined : joined(workspaceOf(root))?.root) ?? root
}

function changesDependencies(root: string, changes: readonly FileChange[]): boolean {
  const after = changes.find(({ path }) => path === 'package.json')?.after
  const before = look(root, 'package.json')
  if (after === undefined || before.kind !== 'file') return false
  return dependenciesOf(before.file.bytes) !== dependenciesOf(after.bytes)
}

function dependenciesOf(bytes: Buffer): string {
  const manifest = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
  const sections = [
    'dependencies',
    'devDependencies',
    'optionalDependencies',
    'overrides',
    'resolutions',
    'packageManager',
  ]
  return JSON.stringify(sections.map((section) => manifest[section]))
}
