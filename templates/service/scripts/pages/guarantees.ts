import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { contextPage, renderContextPage } from './context-page.ts'
import { page, renderGuarantees } from './guarantees-page.ts'

await mkdir(dirname(page), { recursive: true })
await writeFile(page, await renderGuarantees())
await writeFile(contextPage, await renderContextPage())
console.log('docs/guarantees.md\ndocs/context.md')
