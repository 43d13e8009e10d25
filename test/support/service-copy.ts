import { cpSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '../..')
const template = join(repository, 'templates/service')

/**
 * A copy of the skeleton that a test may change. It links to the packages of this repository.
 * @param without packages to leave out, as before an install
 */
export async function copySkeleton(without: readonly string[] = []): Promise<string> {
  // With a space, as real folders may have.
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'mainstem copy-')))
  // Synchronous, because the asynchronous copy takes twice as long.
  cpSync(template, dir, {
    recursive: true,
    filter: (path) => !/\/(node_modules|\.data|dist|test\/(guarantees|proofs))$/.test(path),
  })
  const modules = join(repository, 'node_modules')
  await mkdir(join(dir, 'node_modules'))
  for (const name of await readdir(modules)) {
    const isPackage = !name.startsWith('.') || name === '.bin'
    if (isPackage && !without.includes(name))
      await symlink(join(modules, name), join(dir, 'node_modules', name))
  }
  return dir
}

/** Makes a package of this repository look installed in the copy. */
export async function linkPackage(dir: string, name: string): Promise<void> {
  await symlink(join(repository, 'node_modules', name), join(dir, 'node_modules', name))
}

/** Removes the copy, and the data of its PostgreSQL: for root they may lie behind a link. */
export async function removeCopy(dir: string): Promise<void> {
  const data = await realpath(join(dir, '.data/postgres')).catch(() => dir)
  await rm(data, { recursive: true, force: true })
  await rm(dir, { recursive: true, force: true })
}
