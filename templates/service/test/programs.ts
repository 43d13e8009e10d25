import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { rolldown, type Plugin } from 'rolldown'
import { joining } from '../rolldown.config.ts'
import { nameOf } from './support/programs.ts'

/** The service's programs, joined for the tests. */
export interface Programs {
  /** Where they lie. See `programIn` in support/programs.ts. */
  readonly folder: string
  /** Joins them again, after a change. */
  join(): Promise<void>
  remove(): Promise<void>
}

/**
 * Joins src/main.ts and src/migrate.ts into few files, as `npm run build` does but from TypeScript: a start through tsx takes six times
 * the processor time. For each file `*.routes.ts` under test/ there is one more main, which serves the routes of that file.
 * @param service the folder of the service
 */
export async function joinPrograms(service: string): Promise<Programs> {
  const root = realpathSync(service)
  // Under the service's folder, where Node finds its packages.
  await mkdir(join(root, '.data'), { recursive: true })
  const folder = await mkdtemp(join(root, '.data/programs-'))
  const routes = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.routes.ts'))
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
  const inputs = [
    ...['src/main.ts', 'src/migrate.ts'].map((path) => [nameOf(path), join(root, path)]),
    ...routes.map((path) => [nameOf(path), `${join(root, 'src/main.ts')}?${nameOf(path)}`]),
  ]
  const { output, ...options } = joining(root, folder, Object.fromEntries(inputs) as Record<string, string>)
  const programs: Programs = {
    folder,
    async join() {
      await using build = await rolldown({ ...options, plugins: [probes(root, routes), options.plugins] })
      await build.write(output)
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
  try {
    await programs.join()
    return programs
  } catch (error) {
    await programs.remove()
    throw error
  }
}

/**
 * Lets the real src/main.ts serve the routes of a test, and run the jobs and consumers of test/support/, if there are any: the promises
 * are about any route, not about the domain. A query in a module's name says which routes.
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
