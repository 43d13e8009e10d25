import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { background, withoutCancel, type Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { withSignals } from '../templates/service/src/context/signals.ts'
import { readFlags } from '../templates/service/scripts/command-line.ts'
import { ownPackage } from './root.ts'
import { writeService } from './service.ts'
import { isLeftover, listFiles } from './tree.ts'

/**
 * `npm run sample`: writes to sample-service/ what the command emits for that name, and keeps what a run of the service left
 * there.
 */
async function main(ctx: Context): Promise<void> {
  const { directory } = ownPackage()
  const sample = join(directory, 'sample-service')
  const made = await mkdtemp(join(directory, '.sample-service-'))
  try {
    const plan = await writeService(ctx, { name: 'sample-service', example: true }, made)
    const before = existsSync(sample) ? await listFiles(ctx, sample) : []
    throwIfEnded(ctx)
    for (const path of before) await rm(join(sample, path))
    for (const path of plan.keys()) {
      await mkdir(dirname(join(sample, path)), { recursive: true })
      await rename(join(made, path), join(sample, path))
    }
    await removeEmptyFolders(withoutCancel(ctx), sample)
    console.log(`sample-service: ${plan.size} files`)
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}

/** @returns whether `directory` itself is empty now */
async function removeEmptyFolders(ctx: Context, directory: string): Promise<boolean> {
  let empty = true
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (!entry.isDirectory() || isLeftover(entry.name) || !(await removeEmptyFolders(ctx, path)))
      empty = false
    else await rm(path, { recursive: true })
  }
  return empty
}

readFlags('sample', 'writes sample-service/, which is what the command emits for that name', {})
using ctx = withSignals(background(), 'SIGINT', 'SIGTERM')
await main(ctx)
