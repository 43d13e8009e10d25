import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { page, renderGuarantees } from './guarantees-page.ts'

const text = await renderGuarantees()
await mkdir(dirname(page), { recursive: true })
await writeFile(page, text)
console.log('docs/guarantees.md')
