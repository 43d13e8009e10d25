import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { OutputOptions, Plugin, RolldownOptions } from 'rolldown'
import { parseSync, Visitor } from 'rolldown/utils'

/** The packages of most modules, and the helpers that rolldown adds. */
const joined = /^(?:@oxc-project\/runtime|@opentelemetry|drizzle-orm|pg|pino|zod|zod-openapi)(?:\/|$)/

/** A module's name in rolldown: the path of its file, possibly with a query. */
type Id = string

/**
 * Joins the modules in `folder` and the packages above into few files: Node spends half of a start on finding and reading 1,100
 * modules (create-mainstem, docs/decisions/0047). The service also works without this, but starts later.
 *
 * Any other package stays in node_modules: it may read files of its own, or another package may need the same copy, as a
 * middleware needs Hono's HTTPException. Take a package out of `joined` for an instrumentation that patches it when it is loaded.
 * @param folder the service's modules: what `tsc` has written, or the TypeScript itself
 * @param programs where the joined files go
 * @param input the modules to start from, by the name of the file each becomes
 */
export function joining(
  folder: string,
  programs = folder,
  input: Readonly<Record<string, Id>> = {
    main: join(programs, 'main.js'),
    migrate: join(programs, 'migrate.js'),
  },
): RolldownOptions & { readonly output: OutputOptions } {
  const isOwn = (id: Id): boolean =>
    id.startsWith(folder + sep) && !id.slice(folder.length).includes(`${sep}node_modules${sep}`)
  return {
    input,
    platform: 'node',
    // The oldest Node that runs the service: it has no `using`.
    transform: { target: 'node20' },
    // OpenTelemetry's ES modules: its CommonJS modules, once joined, read each other's exports through two or three getters.
    resolve: { mainFields: ['module', 'main'] },
    // It would drop calls whose result is unused, such as a decodeURIComponent() that is there to throw.
    treeshake: false,
    external: (id, importer) => {
      if (id === 'pg-native') return true
      // A joined package includes its own dependencies.
      const isFromOwn = importer === undefined || isOwn(importer)
      return isFromOwn && !isAbsolute(id) && !/^[.\0]/.test(id) && !joined.test(id)
    },
    plugins: [beside(programs, isOwn)],
    output: {
      // In the folder of main.js, so that relative paths are the same for all.
      dir: programs,
      chunkFileNames: 'joined-[name].js',
      sourcemap: true,
      minify: false,
      // Two modules may have classes of the same name, which logs and traces show.
      keepNames: true,
    },
  }
}

/** Keeps a module's own path (import.meta), and its lines in src/ for stacks. The lines of packages are omitted. */
function beside(programs: string, isOwn: (id: Id) => boolean): Plugin {
  return {
    name: 'beside',
    load(id) {
      const path = id.replace(/\?.*/, '')
      if (id.startsWith('\0') || !/\.[cm]?[jt]s$/.test(path)) return null
      const text = readFileSync(path, 'utf8')
      if (!isOwn(id)) return { code: text, map: { mappings: '' } }
      const { code, lost } = placed(path, text, programs)
      if (lost)
        this.warn(
          `${path}: of import.meta only url, dirname and filename keep what they mean when modules are joined`,
        )
      if (path.endsWith('.ts')) return { code, moduleType: 'ts' }
      return { code, map: existsSync(`${path}.map`) ? readFileSync(`${path}.map`, 'utf8') : null }
    },
  }
}

/**
 * Puts a module's own path in place of import.meta.url, dirname and filename, but not in texts and comments.
 * @returns lost: whether the module uses import.meta for anything else that changes when it is joined
 */
function placed(path: string, text: string, programs: string): { code: string; lost: boolean } {
  if (!text.includes('import.meta')) return { code: text, lost: false }
  let code = ''
  let end = 0
  let unknown = 0
  new Visitor({
    MetaProperty({ meta }) {
      if (meta.name === 'import') unknown += 1
    },
    MemberExpression(node) {
      if (node.object.type !== 'MetaProperty' || node.property.type !== 'Identifier') return
      const what = node.property.name
      if (/^(?:url|dirname|filename|resolve)$/.test(what)) unknown -= 1
      if (!/^(?:url|dirname|filename)$/.test(what)) return
      code += text.slice(end, node.start) + placeOf(what, path, programs)
      end = node.end
    },
  }).visit(parseSync(path, text).program)
  return { code: code + text.slice(end), lost: unknown > 0 }
}

/** An expression for what import.meta's `what` was before the module at `path` was joined. */
function placeOf(what: string, path: string, programs: string): string {
  const place = relative(programs, what === 'dirname' ? dirname(path) : path).replaceAll(sep, '/')
  if (what === 'url') return `new URL(${JSON.stringify(`./${place}`)}, import.meta.url).href`
  return `process.getBuiltinModule('path').join(import.meta.dirname, ${JSON.stringify(place)})`
}

export default (): RolldownOptions => joining(realpathSync('dist'))
