import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { root } from '../dev/service-process.ts'
import { generate, namesIn } from './drizzle-kit.ts'

/**
 * Compares the files *.schema.ts of src/ with the last migration of drizzle/, which it does not change. Needs no database.
 * @param signal ends drizzle-kit
 * @returns a sentence that names what differs, such as tables; undefined if nothing does
 * @throws Error of one sentence if drizzle-kit cannot tell
 */
export async function schemaDifference(signal?: AbortSignal): Promise<string | undefined> {
  const data = join(root, '.data')
  await mkdir(data, { recursive: true })
  const folder = await mkdtemp(join(data, 'schema-'))
  try {
    const names = await differing(folder, signal)
    if (names === undefined) return undefined
    const named = names.length === 0 ? '' : ` (${names.join(', ')})`
    return `the schema differs from the last migration${named}`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Makes the next migration in `folder`. @returns the names in it; undefined if there is nothing to migrate */
async function differing(folder: string, signal?: AbortSignal): Promise<string[] | undefined> {
  const out = join(folder, 'drizzle')
  await cp(join(root, 'drizzle/meta'), join(out, 'meta'), { recursive: true })
  const config = join(folder, 'drizzle.config.ts')
  const elsewhere = `{ ...config, out: './${relative(root, out).replaceAll('\\', '/')}' }`
  await writeFile(config, `import config from '../../drizzle.config.ts'\nexport default ${elsewhere}\n`)
  const made = await generate(root, { cwd: root, args: ['--config', relative(root, config)], signal })
  if (made === 'asked') return []
  if (made !== 'made') return undefined
  const [migration] = (await readdir(out)).filter((name) => name.endsWith('.sql'))
  return migration === undefined ? [] : namesIn(await readFile(join(out, migration), 'utf8'))
}
