import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SyntaxKind, type Node } from 'ts-morph'
import { filesBelow } from '../../scripts/files-below.ts'
import type { Plan } from './plan.ts'
import { parse } from '../edit/source.ts'

/** An endpoint of the service, from its `route({ method, path, … })`. */
interface Endpoint {
  readonly method: string
  readonly path: string
  readonly file: string
}

/**
 * The endpoints of src/platform/http/openapi.ts, which are mounted after the service's routes. `endpointsOf` cannot read that
 * file.
 */
const pages = ['/openapi.json', '/docs', '/docs/start.js'].map((path): Endpoint => {
  return { method: 'GET', path, file: 'src/platform/http/openapi.ts' }
})

/**
 * Throws if an endpoint of the plan would never be called, would hide a page of the API, or names the parameters of a path
 * differently from the service.
 */
export async function refuseClashes(plan: Plan): Promise<void> {
  const changed = plan.changes().filter(({ path }) => isSource(path))
  const added = changed.flatMap(({ path, after }) => (after === undefined ? [] : endpointsOf(path, after)))
  if (added.length === 0) return
  const there: Endpoint[] = []
  for (const below of await filesBelow(join(plan.root, 'src'))) {
    const file = `src/${below}`
    if (!isSource(file) || changed.some(({ path }) => path === file)) continue
    there.push(...endpointsOf(file, await readFile(join(plan.root, file), 'utf8')))
  }
  for (const endpoint of added) {
    const { method, path } = endpoint
    // Hono calls the first endpoint that matches, and new ones come last.
    const twin = there.find((one) => one.path !== path && shapeOf(one.path) === shapeOf(path))
    if (twin !== undefined)
      throw new Error(
        `${path} is the path ${twin.path} of ${twin.file} with other names, which OpenAPI does not allow: name its parameters as that file does.`,
      )
    const other = there.find((one) => covers(one, endpoint)) ?? pages.find((page) => covers(endpoint, page))
    if (other === undefined) continue
    const what = other.path === path ? '' : `, ${other.method} ${other.path}`
    throw new Error(
      `${method} ${path} is already handled by ${other.file}${what}: choose another name, or another --path if the piece has that flag.`,
    )
  }
}

function shapeOf(path: string): string {
  return path.replace(/:\w+/g, ':')
}

/** Whether `one` matches every request that `other` matches. */
function covers(one: Endpoint, other: Endpoint): boolean {
  const [segments, others] = [one.path.split('/'), other.path.split('/')]
  return (
    one.method === other.method &&
    segments.length === others.length &&
    segments.every((segment, at) => segment.startsWith(':') || segment === others[at])
  )
}

function endpointsOf(file: string, text: string): Endpoint[] {
  if (!text.includes('route(')) return []
  return parse(file, text)
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .filter((call) => call.getExpression().getText() === 'route')
    .flatMap((call) => {
      const [method, path] = ['method', 'path'].map((name) => textOf(call.getArguments()[0], name))
      return method === undefined || path === undefined ? [] : [{ method, path, file }]
    })
}

function textOf(object: Node | undefined, name: string): string | undefined {
  return object
    ?.asKind(SyntaxKind.ObjectLiteralExpression)
    ?.getProperty(name)
    ?.asKind(SyntaxKind.PropertyAssignment)
    ?.getInitializerIfKind(SyntaxKind.StringLiteral)
    ?.getLiteralValue()
}

function isSource(path: string): boolean {
  return path.startsWith('src/') && path.endsWith('.ts') && !path.endsWith('.test.ts')
}
