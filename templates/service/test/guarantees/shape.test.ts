/**
 * Promise: There is one root, and imports run one way.
 * Go: `context.Background()` in `main` and nowhere else; an import cycle does not compile
 * Held by: src/main.ts, lint/imports.ts
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { page, renderGuarantees } from '../../scripts/pages/guarantees-page.ts'

const src = join(import.meta.dirname, '../../src')

test('background() is called once in each program: main.ts and migrate.ts', async () => {
  const calls: string[] = []
  for (const path of await sources()) {
    const text = await readFile(join(src, path), 'utf8')
    for (const line of text.split('\n')) {
      if (/(?<!function )\bbackground\(\)/.test(line) && !/^\s*(\*|\/\/)|throw|`/.test(line)) calls.push(path)
    }
  }
  // Each is a process of its own.
  expect(calls).toEqual(['main.ts', 'migrate.ts'])
})

test('imports run one way: main → routes → domains → platform → context', async () => {
  const against: string[] = []
  for (const path of await sources()) {
    const text = await readFile(join(src, path), 'utf8')
    for (const [, specifier] of text.matchAll(/from '(\.[^']+)'/g)) {
      const target = join(path, '..', specifier ?? '')
      // A foreign key: the tables depend on each other anyway.
      if ([path, target].every((file) => file.endsWith('.schema.ts'))) continue
      if (
        room(target) > room(path) ||
        (room(path) === 2 && room(target) === 2 && folder(target) !== folder(path))
      ) {
        against.push(`${path} imports ${target}`)
      }
    }
  }
  expect(against).toEqual([])
})

test('docs/guarantees.md is up to date with test/guarantees', async () => {
  expect(await readFile(page, 'utf8'), 'run npm run guarantees').toBe(await renderGuarantees())
})

/** The higher the room, the more it may import. Domains have the same height and do not import each other. */
function room(path: string): number {
  if (path === 'config.ts' || path === 'variables.ts') return 0
  if (path.startsWith('context')) return 0
  if (path.startsWith('platform')) return 1
  if (path.includes('/') || path.includes('\\')) return 2
  return path === 'main.ts' || path === 'migrate.ts' ? 4 : 3
}

function folder(path: string): string {
  return path.split(/[\\/]/)[0] ?? ''
}

async function sources(): Promise<string[]> {
  const all = await readdir(src, { recursive: true })
  return all.filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts')).sort()
}
