import { posix } from 'node:path'
import type { TSESTree } from '@typescript-eslint/utils'
import { isTest, pathInSource, programs } from '../nodes.ts'
import { rule } from '../rule.ts'

/** Which rooms of src/ a file may import from, by the room that it is in. A domain is any folder that is no other room. */
const below: Readonly<Record<Room, readonly Room[]>> = {
  main: ['composition', 'domain', 'platform', 'context', 'leaf'],
  composition: ['composition', 'domain', 'platform', 'context'],
  domain: ['platform', 'context'],
  platform: ['platform', 'context'],
  context: ['context'],
  leaf: [],
}

/** Where the service is put together. */
const composition: ReadonlySet<string> = new Set(['routes.ts', 'workers.ts', 'jobs.ts', 'prepare.ts'])

type Room = 'main' | 'composition' | 'domain' | 'platform' | 'context' | 'leaf'

/** Imports run one way: main → routes, workers and prepare → domains → platform → context. */
export const arrows = rule({
  description: 'imports run one way: main → routes, workers, prepare → domains → platform → context',
  messages: {
    against:
      '{{from}} imports from {{allowed}}. Let main, routes or prepare pass in what it needs of {{to}} instead.',
    sideways:
      'A domain does not import another. Let routes or prepare pass in what it needs of {{to}}, or move what they share to src/platform.',
  },
  create(context) {
    const file = pathInSource(context.filename)
    if (file === undefined || isTest(context.filename)) return {}

    function check(file: string, source: TSESTree.Expression | null): void {
      if (source === null || !('value' in source) || typeof source.value !== 'string') return
      if (!source.value.startsWith('.')) return
      const target = posix.join(posix.dirname(file), source.value)
      const from = roomOf(file)
      const to = roomOf(target)
      const own = from === 'domain' && folderOf(file) === folderOf(target)
      // A foreign key: the tables know each other, whatever the code says.
      const key = isSchema(file) && isSchema(target)
      if (own || key || below[from].includes(to)) return
      if (from === 'domain' && to === 'domain') {
        context.report({ node: source, messageId: 'sideways', data: { to: `src/${target}` } })
        return
      }
      const allowed = below[from].length === 0 ? 'nothing of the service' : `${below[from].join(', ')} only`
      context.report({
        node: source,
        messageId: 'against',
        data: { from: `src/${file}`, to: `src/${target}`, allowed },
      })
    }

    return {
      ImportDeclaration: ({ source }) => check(file, source),
      ImportExpression: ({ source }) => check(file, source),
      ExportNamedDeclaration: ({ source }) => check(file, source),
      ExportAllDeclaration: ({ source }) => check(file, source),
    }
  },
})

function roomOf(path: string): Room {
  const [first = '', ...rest] = path.split('/')
  if (rest.length > 0)
    return first === 'platform' || first === 'context' ? first : first === '..' ? 'leaf' : 'domain'
  if (programs.has(path)) return 'main'
  return composition.has(path) ? 'composition' : 'leaf'
}

function isSchema(path: string): boolean {
  return path.endsWith('.schema.ts')
}

function folderOf(path: string): string {
  return posix.dirname(path).split('/')[0] ?? ''
}
