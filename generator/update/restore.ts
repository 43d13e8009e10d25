import type { Context } from '../../templates/service/src/context/context.ts'
import { Failure } from '../failure.ts'
import type { Screen } from '../progress.ts'
import { ownPackage } from '../root.ts'
import { installInCopy } from './needs.ts'
import { replay, withCopy } from './copy.ts'
import { asOnDisk, look } from './disk.ts'
import type { FileChange } from './journal.ts'
import type { UpdateOptions } from './options.ts'
import type { UpdateResult } from './result.ts'
import type { Service } from './service.ts'
import { styleOf } from './style.ts'
import { planTheirs } from './theirs.ts'
import { write } from './write.ts'

/**
 * `--restore`: writes the template's text of some files over the service's. `--abort` undoes it.
 * @throws Failure if the service is from another version, or the template has no file at a path
 */
export async function restored(
  ctx: Context,
  screen: Screen,
  service: Service,
  options: UpdateOptions,
): Promise<UpdateResult> {
  const { root, record } = service
  const began = Date.now()
  const { version } = ownPackage()
  if (record.version !== version)
    throw new Failure(
      `the service is from create-mainstem ${record.version}, but this is ${version}: update first, or restore with create-mainstem@${record.version}`,
    )
  const known = await textsOf(ctx, service, options.restore)
  const style = styleOf(root, record.files)
  const changes: FileChange[] = []
  for (const path of options.restore) {
    const bytes = known.get(path)
    if (bytes === undefined)
      throw new Failure(
        `${path} is not a file of the template or of a piece: see .mainstem.json for the paths`,
      )
    const there = look(root, path)
    if (there.kind === 'other') throw new Failure(`${there.what}: move it away, then restore ${path}`)
    const styled = style.changed ? Buffer.from(await style.format(ctx, path, bytes.toString('utf8'))) : bytes
    const after = asOnDisk(styled, there)
    changes.push({
      path,
      after: { bytes: after, executable: there.kind === 'file' && there.file.executable },
    })
  }
  const files = changes.map(({ path }) => ({ path, change: 'restored', why: [] }) as const)
  const about = {
    from: version,
    to: version,
    state: 'updated',
    dryRun: options.dryRun,
    files,
    notes: [],
  } as const
  if (options.dryRun) return { ...about, installed: false }
  const writing = {
    to: version,
    record,
    changes,
    conflicts: new Map<string, never>(),
    install: options.install,
    began,
  }
  return { ...about, installed: await write(ctx, screen, service, writing) }
}

/** The template's text of each path; for pieces, what the service's own generators stamp. */
async function textsOf(
  ctx: Context,
  service: Service,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const { root, record } = service
  const { files } = await planTheirs(ctx, record)
  const texts = new Map([...files].map(([path, { file }]) => [path, file.bytes]))
  if (wanted.every((path) => texts.has(path))) return texts
  return withCopy(ctx, root, new Map(), async (ctx, copy) => {
    await installInCopy(ctx, service, copy)
    const { stampings } = await replay(ctx, copy, record)
    // The record keeps only the schema of a removed piece.
    const recorded = new Set(record.pieces.flatMap(({ files }) => Object.keys(files)))
    for (const [path, text] of stampings.flatMap(({ files }) => Object.entries(files)))
      if (recorded.has(path)) texts.set(path, Buffer.from(text))
    return texts
  })
}
