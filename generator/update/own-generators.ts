import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Context } from '../../templates/service/src/context/context.ts'
import { execute, type CommandResult } from '../command.ts'
import { childEnvironment } from '../package-manager.ts'
import { readTemplates } from '../templates.ts'

const folder = 'adopt'

/**
 * Runs a program of templates/adopt/ in a copy of a service, with the generators of the copy.
 * @param input the JSON in the file that is the program's argument
 * @returns how it ended, and what it wrote to that file
 */
export async function runOnGenerators(
  ctx: Context,
  copy: string,
  program: string,
  input: unknown = {},
): Promise<CommandResult & { readonly answer: string }> {
  const place = join(copy, folder)
  await mkdir(place, { recursive: true })
  for (const [path, { bytes }] of await readTemplates(ctx))
    if (path.startsWith(`${folder}/`)) await writeFile(join(place, basename(path)), bytes)
  const file = join(place, 'input.json')
  await writeFile(file, JSON.stringify(input))
  const args = ['--import', 'tsx', join(place, program), file]
  const env = childEnvironment(process.env)
  const result = await execute(ctx, process.execPath, args, { cwd: copy, env })
  const answer = await readFile(file, 'utf8')
  await rm(place, { recursive: true })
  return { ...result, answer }
}
