import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../../support/create.ts'

const page = readFileSync(join(repository, 'templates/service/docs/neighbours.md'), 'utf8')

/**
 * The code block under the heading `heading` of docs/neighbours.md, with each key of `put` replaced by its value, so that the
 * tests use the page's configuration. @throws Error if the page has no such block, or the block lacks a key
 */
export function fromPage(heading: string, put: Readonly<Record<string, string>>): string {
  const [, section] = page.split(`\n## ${heading}\n`)
  const block = /^```\w*\n(?<text>.*?)^```$/ms.exec(section?.split('\n## ')[0] ?? '')?.groups?.['text']
  if (block === undefined) throw new Error(`docs/neighbours.md has no code block under "## ${heading}"`)
  return Object.entries(put).reduce((text, [key, value]) => {
    if (!text.includes(key)) throw new Error(`the code block under "## ${heading}" does not hold ${key}`)
    return text.replaceAll(key, value)
  }, block)
}
