import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readFlags } from '../command-line.ts'
import { page, renderGuarantees } from './guarantees-page.ts'

readFlags('guarantees', 'writes docs/guarantees.md from the tests of test/guarantees/', {})
await mkdir(dirname(page), { recursive: true })
await writeFile(page, await renderGuarantees())
console.log('docs/guarantees.md')
