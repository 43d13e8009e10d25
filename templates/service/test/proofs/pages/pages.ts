import { writeFile } from 'node:fs/promises'
import { readFlags } from '../../../scripts/command-line.ts'
import { contextPage, renderContextPage } from './context-page.ts'
import { guaranteesPage, renderAllGuarantees } from './guarantees-page.ts'

readFlags('pages', 'writes docs/context.md and docs/guarantees.md from the tests', {})
await writeFile(contextPage, await renderContextPage())
await writeFile(guaranteesPage, await renderAllGuarantees())
console.log('docs/context.md\ndocs/guarantees.md')
