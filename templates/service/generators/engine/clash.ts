import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SyntaxKind, type Node } from 'ts-morph'
import type { Plan } from './plan.ts'
import { parse } from '../edit/source.ts'

/** An endpoint of the service, as its `route({ method, path, … })` says. */
interface Endpoint {
  readonly method: string
  readonly path: string
  readonly file: string
}

/** Throws an Error of one sentence if the plan adds an endpoint that the service has already: one of the two would never be called. */
export async function refuseClashes(plan: Plan): Promise<void> {
  const changed = plan.changes().filter(({ path }) => isSource(path))
  const added = changed.flatMap(({ path, after }) => endpointsOf(path, after))
  if (added.length === 0) return
  const there = new Map<string, Endpoint>()
  for (const file of await sourcesOf(plan.root)) {
    if (changed.some(({ path }) => path === file)) continue
    const text = await readFile(join(plan.root, file), 'utf8')
    for (const endpoint of endpointsOf(file, text)) there.set(keyOf(endpoint), endpoint)
  }
  for (const endpoint of added) {
    const other = there.get(keyOf(endpoint))
    if (other === undefined) continue
    throw new Error(
      `${endpoint.method} ${endpoint.path} is already handled by ${other.file}: choose another name, or another --path if the piece has that flag.`,
    )
  }
}

/** Endpoints that differ only in the name of a parameter are the same. */
function keyOf({ method, path }: Endpoint): string {
  return `${method} ${path.replace(/:\w+/g, ':')}`
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

async function sourcesOf(root: string): Promise<string[]> {
  const entries = await readdir(join(root, 'src'), { recursive: true })
  return entries.map((entry) => `src/${entry.replaceAll('\\', '/')}`).filter(isSource)
}

function isSource(path: string): boolean {
  return path.startsWith('src/') && path.endsWith('.ts') && !path.endsWith('.test.ts')
}
