import { writeFile } from 'node:fs/promises'
import { contextPage, renderContextPage } from './context-page.ts'
import { guaranteesPage, renderAllGuarantees } from './guarantees-page.ts'

await writeFile(contextPage, await renderContextPage())
await writeFile(guaranteesPage, await renderAllGuarantees())
console.log('docs/context.md\ndocs/guarantees.md')
