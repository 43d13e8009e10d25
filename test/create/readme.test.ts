import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { repository } from '../support/create.ts'

it('the README names every script of package.json', async () => {
  const page = await readFile(join(repository, 'README.md'), 'utf8')
  const { scripts } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const named = new Set(Array.from(page.matchAll(/[\w:-]+/g), ([word]) => word))
  // npm itself runs prepack; the others are parts of lint and format.
  const parts = new Set(['prepack', 'lint:here', 'format:check'])
  expect(Object.keys(scripts).filter((name) => !named.has(name) && !parts.has(name))).toEqual([])
})
