import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { page, renderGuarantees } from './guarantees-page.ts'

await mkdir(dirname(page), { recursive: true })
await writeFile(page, await renderGuarantees())
console.log('docs/guarantees.md')
