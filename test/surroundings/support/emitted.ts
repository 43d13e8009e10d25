import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeService } from '../../../generator/service.ts'
import { todo } from '../../../templates/service/src/context/context.ts'
import { repository } from '../../support/create.ts'

/** The folders of the services that were emitted and built for one run of the tests. */
export interface Emitted {
  /** The documents API, with the probe routes of its own tests. */
  readonly plain: string
  /** The same after `add job` and `add events`, with the probe jobs as well. */
  readonly withPieces: string
}

const run = promisify(execFile)

/** Emits and builds the services. @returns them, their folder, which every user may enter, and a function that removes it */
export async function emitServices(): Promise<{
  emitted: Emitted
  folder: string
  remove: () => Promise<void>
}> {
  const folder = await mkdtemp(join(tmpdir(), 'neighbours-'))
  await chmod(folder, 0o755)
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    // What npm hoisted resolves from here, as it does from the template's own place.
    await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
    const emitted = { plain: join(folder, 'plain'), withPieces: join(folder, 'with-pieces') }
    await mkdir(emitted.plain)
    await writeService(todo(), { name: 'neighbour-service', example: true }, emitted.plain)
    await cp(emitted.plain, emitted.withPieces, { recursive: true })
    const add = ['--import', 'tsx', 'generators/engine/add.ts']
    for (const piece of [
      ['job', 'tidy'],
      ['events', 'news'],
    ])
      await run(process.execPath, [...add, ...piece], { cwd: emitted.withPieces })
    await build(emitted.plain, ['routes'])
    await build(emitted.withPieces, ['routes', 'jobs', 'feeds'])
    return { emitted, folder, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** `npm run build`, with probe.routes.ts and the like in src/, in place of the modules of that name that the program imports. */
async function build(cwd: string, replaced: readonly string[]): Promise<void> {
  for (const name of replaced) {
    const probe = await readFile(join(cwd, `test/support/probe.${name}.ts`), 'utf8')
    await writeFile(join(cwd, `src/probe.${name}.ts`), probe.replaceAll("'../../src/", "'./"))
  }
  for (const file of ['src/main.ts', 'src/workers.ts']) {
    const text = replaced.reduce(
      (text, name) => text.replace(`'./${name}.ts'`, `'./probe.${name}.ts'`),
      await readFile(join(cwd, file), 'utf8'),
    )
    await writeFile(join(cwd, file), text)
  }
  // Its types are checked with the templates.
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noCheck'], { cwd })
  await run(process.execPath, [join(repository, 'node_modules/rolldown/bin/cli.mjs'), '-c'], { cwd })
}
