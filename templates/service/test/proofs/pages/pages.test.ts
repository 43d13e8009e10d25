import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { contextPage, renderContextPage } from './context-page.ts'
import { guaranteesPage, renderAllGuarantees } from './guarantees-page.ts'

test('docs/context.md is up to date with the tests of contexts, and gives a reason for each test of Go without one here', async () => {
  expect(await readFile(contextPage, 'utf8'), 'run npm run pages').toBe(await renderContextPage())
})

test('docs/guarantees.md is up to date with the guarantees and the proofs', async () => {
  expect(await readFile(guaranteesPage, 'utf8'), 'run npm run pages').toBe(await renderAllGuarantees())
})
