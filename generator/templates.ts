import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Context } from '../templates/service/src/context/context.ts'
import { archiveName, unpacked } from './archive.ts'
import { throwIfEnded } from './ended.ts'
import { ownPackage } from './root.ts'
import { listFiles, readPlanned, type Plan, type PlannedFile } from './tree.ts'

/** Tests of the skeleton that prove the platform rather than a service: they stay in this repository. */
export const proofs = 'service/test/proofs/'

/**
 * Reads every template, by its path below templates/: from the archive beside the bundle in the published package, from the
 * folder in a clone.
 * @throws what reading them throws; the cause of ctx when it ends
 */
export async function readTemplates(ctx: Context): Promise<Plan> {
  throwIfEnded(ctx)
  const archive = join(dirname(fileURLToPath(import.meta.url)), archiveName)
  return existsSync(archive) ? unpacked(await readFile(archive)) : readFolder(ctx)
}

/** Reads every template from the folder of the clone. */
export async function readFolder(ctx: Context): Promise<Plan> {
  const folder = join(ownPackage().directory, 'templates')
  const files = new Map<string, PlannedFile>()
  for (const path of await listFiles(ctx, folder)) {
    if (!path.startsWith(proofs)) files.set(path, await readPlanned(ctx, join(folder, path)))
  }
  return files
}
