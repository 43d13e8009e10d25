import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown, type Plugin } from 'rolldown'
import { joining } from '../rolldown.config.ts'
import { nameOf } from './support/programs.ts'

const prefix = 'programs-'
const dayMs = 86_400_000

/** The service's programs, joined for the tests. */
export interface Programs {
  /** Their folder. See `programIn` in support/programs.ts. */
  readonly folder: string
  /** Joins them again after a change. If it rejects, no program is left. */
  join(): Promise<void>
  remove(): Promise<void>
}

/**
 * Joins src/main.ts and src/migrate.ts into few files, as `npm run build` does but from TypeScript: a start through tsx takes six
 * times the processor time. For each `*.routes.ts` under test/ there is one more main, which serves the routes of that file.
 * @param service the folder of the service
 */
export async function joinPrograms(service: string): Promise<Programs> {
  const root = realpathSync(service)
  const folder = await newFolder(join(root, '.data'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  const programs = {
    folder,
    async join() {
      try {
        await joinInto(folder, root)
      } catch (error) {
        // Removed first, so that no test starts an outdated program.
        await remove()
        throw error
      }
    },
    remove,
  }
  await programs.join()
  return programs
}

async function joinInto(folder: string, root: string): Promise<void> {
  const routes = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.routes.ts'))
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
  const main = join(root, 'src/main.ts')
  const input = {
    [nameOf('src/main.ts')]: main,
    [nameOf('src/migrate.ts')]: join(root, 'src/migrate.ts'),
    ...Object.fromEntries(routes.map((path) => [nameOf(path), `${main}?${nameOf(path)}`])),
  }
  const { output, ...options } = joining(root, folder, input)
  await using build = await rolldown({ ...options, plugins: [probes(root, routes), options.plugins] })
  await build.write(output)
}

/** Makes a folder under the service's own, where Node finds its packages, and removes those that killed runs left a day ago. */
async function newFolder(data: string): Promise<string> {
  await mkdir(data, { recursive: true })
  for (const name of await readdir(data)) {
    const path = join(data, name)
    // Another run may remove it at the same time.
    const made = await stat(path).catch(() => undefined)
    if (!name.startsWith(prefix) || made === undefined || made.mtimeMs > Date.now() - dayMs) continue
    await rm(path, { recursive: true, force: true })
  }
  return mkdtemp(join(data, prefix))
}

/**
 * Lets the real src/main.ts serve the routes of a test, and run the jobs and consumers of test/support/, if there are any: the
 * promises are about any route, not about the domain. A query in the module's name selects the routes.
 */
function probes(root: string, routes: readonly string[]): Plugin {
  return {
    name: 'probes',
    resolveId(specifier, importer) {
      if (specifier.includes('?')) return specifier
      const probe = importer?.split('?')[1]
      if (probe === undefined) return null
      if (specifier === './workers.ts') return `${join(root, 'src/workers.ts')}?${probe}`
      if (specifier === './routes.ts') return join(root, routes.find((path) => nameOf(path) === probe) ?? '')
      const own = join(root, 'test/support', specifier.replace('./', 'probe.'))
      return existsSync(own) ? own : null
    },
  }
}
