import { readFileSync, realpathSync } from 'node:fs'
import { isAbsolute, join, relative, sep } from 'node:path'
import type { Plugin, RolldownOptions } from 'rolldown'

/** The packages of most modules. */
const joined = /^(?:@opentelemetry|drizzle-orm|pg|pino|zod|zod-openapi)(?:\/|$)/

/**
 * Joins the modules in `folder` and the packages above into few files: to find and read 1,100 modules takes Node half of a start
 * (create-mainstem, docs/decisions/0047). Without this the service works as well, and starts later.
 *
 * Any other package stays in node_modules: it may read files of its own, or another package may have to meet the same one, as
 * a middleware Hono's HTTPException. Take a package out of `joined` for an instrumentation that patches it when it is loaded.
 * @param folder what `tsc` has written
 * @param programs where in it main.js is
 */
export function joining(folder: string, programs = folder): RolldownOptions {
  return {
    input: { main: join(programs, 'main.js'), migrate: join(programs, 'migrate.js') },
    platform: 'node',
    // OpenTelemetry's ES modules: its CommonJS modules, once joined, read each other's exports through two or three getters.
    resolve: { mainFields: ['module', 'main'] },
    external: (id, importer = '') => {
      if (id === 'pg-native') return true
      // A package that is joined brings its own packages along.
      const isOwn = importer === '' || importer.startsWith(folder + sep)
      return isOwn && !isAbsolute(id) && !/^[.\0]/.test(id) && !joined.test(id)
    },
    plugins: [beside(folder, programs)],
    // Beside main.js, so that what is relative to one of them is relative to all.
    output: { dir: programs, chunkFileNames: 'joined-[name].js', sourcemap: true },
  }
}

/** Keeps what a module means by its own place, and its lines in src/ for stacks. The lines of packages are left out. */
function beside(folder: string, programs: string): Plugin {
  return {
    name: 'beside',
    load(id) {
      if (id.startsWith('\0') || !/\.[cm]?js$/.test(id)) return null
      const text = readFileSync(id, 'utf8')
      if (!id.startsWith(folder + sep)) return { code: text, map: { mappings: '' } }
      const place = JSON.stringify(`./${relative(programs, id).replaceAll(sep, '/')}`)
      const code = text.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`)
      return { code, map: readFileSync(`${id}.map`, 'utf8') }
    },
  }
}

export default (): RolldownOptions => joining(realpathSync('dist'))
