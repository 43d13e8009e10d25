import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeService } from '../../generator/service.ts'
import { proofs } from '../../generator/templates.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { strangerFile } from './mutants.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** A created service with its example, in a folder of its own. Disposing removes it. */
export interface ServiceCopy extends AsyncDisposable {
  readonly directory: string
}

/** Stamps the service like the command, and links it to the packages of this repository. */
export async function copyService(ctx: Context): Promise<ServiceCopy> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'mainstem-mutate-')))
  const copy = {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
  try {
    // If this runs as root, Postgres runs as another user.
    await chmod(directory, 0o755)
    await writeService(ctx, { name: 'sample-service', example: true }, directory)
    await writeFile(join(directory, strangerFile.path), strangerFile.text)
    // The tests that stay in this repository notice mutants as well.
    await cp(join(repository, 'templates', proofs), join(directory, 'test/proofs'), { recursive: true })
    // The copy's own folder links to the packages, so that vitest's files in node_modules stay in the copy.
    for (const from of [
      join(repository, 'templates/service/node_modules'),
      join(repository, 'node_modules'),
    ]) {
      if (existsSync(from)) await link(from, join(directory, 'node_modules'))
    }
    return copy
  } catch (error) {
    await copy[Symbol.asyncDispose]()
    throw error
  }
}

/** Links the packages that `to` lacks: packages of the workspace take precedence over those of the root. */
async function link(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) {
    if (name.startsWith('.') && name !== '.bin') continue
    if (name.startsWith('@')) await link(join(from, name), join(to, name))
    else if (!existsSync(join(to, name))) await symlink(join(from, name), join(to, name), 'junction')
  }
}
