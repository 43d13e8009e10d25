import { execFile } from 'node:child_process'
import { cp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Context } from '../../templates/service/src/context/context.ts'

const repository = join(import.meta.dirname, '../..')

/** Makes a service in `folder` with `POST /payments`, which a client may repeat, and builds it. */
export async function makeService(ctx: Context, folder: string): Promise<void> {
  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, args, { cwd: folder, signal: ctx.signal })
  const from = join(repository, 'templates/service')
  const left = ['node_modules', 'dist', '.data'].map((name) => join(from, name))
  await cp(from, folder, { recursive: true, filter: (path) => !left.includes(path) })
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
  const add = ['--import', 'tsx', 'generators/engine/add.ts']
  await run(...add, 'resource', 'payment', '--fields', 'reference:text')
  await run(...add, 'idempotency')
  await wrapPost(join(folder, 'src/payments/payments.routes.ts'))
  await run(join(repository, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json')
}

/** Does what README.md asks the user to do: wraps the route of the POST in `idempotent(platform, …)`. */
async function wrapPost(path: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  const wrapped = text
    .replace(
      'import { z }',
      `import { idempotent } from '../platform/idempotency/idempotent.ts'\nimport { z }`,
    )
    .replace(
      / {4}route\(\{\n {6}method: 'POST',.*?\n {4}\}\),/s,
      (route) => `    idempotent(platform, ${route.trim().slice(0, -1)}),`,
    )
  await writeFile(path, wrapped)
}

/** Removes the service, the link to the dependencies first. */
export async function removeService(folder: string): Promise<void> {
  await rm(join(folder, 'node_modules'), { force: true })
  await rm(folder, { recursive: true, force: true })
}
