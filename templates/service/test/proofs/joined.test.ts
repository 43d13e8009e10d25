/** Joined modules behave as they do apart. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'
import { expect, test, type TestContext } from 'vitest'
import { joining } from '../../rolldown.config.ts'

/** JavaScript, because Node 20 needs a loader for TypeScript. */
const modules = {
  'main.js': `
    import { join } from 'node:path'
    import { Failure, places, texts } from './deep/one.js'
    import { Failure as Other, isEncoded } from './deep/two.js'
    console.log(JSON.stringify({
      names: [new Failure().constructor.name, new Other().constructor.name],
      encoded: ['%41', '%ff'].map(isEncoded),
      places,
      texts,
    }))`,
  'deep/one.js': `
    export class Failure extends Error {}
    export const places = [import.meta.url, import.meta.dirname, import.meta.filename]
    // Texts, in which import.meta.url is not a place.
    export const texts = ["import.meta.url", 'is "import.meta.dirname" a place?', \`import.meta.url is \${import.meta.url}\`]`,
  'deep/two.js': `
    export class Failure extends Error {}
    export function isEncoded(text) {
      try {
        decodeURIComponent(text)
        return true
      } catch {
        return false
      }
    }`,
}

async function writeModules(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'modules-')))
  t.onTestFinished(() => rm(folder, { recursive: true }))
  for (const [path, text] of Object.entries({ ...modules, 'package.json': '{ "type": "module" }' })) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  return folder
}

async function run(program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [program])
  return JSON.parse(stdout)
}

test('joined modules keep the names of classes, calls that only throw, the places in stacks, and texts that name import.meta', async (t) => {
  const folder = await writeModules(t)
  const apart = await run(join(folder, 'main.js'))

  const programs = join(folder, 'programs')
  const { output, ...options } = joining(folder, programs, { main: join(folder, 'main.js') })
  await using build = await rolldown(options)
  await build.write(output)

  expect(apart).toMatchObject({ names: ['Failure', 'Failure'], encoded: [true, false] })
  expect(await run(join(programs, 'main.js'))).toEqual(apart)
})
