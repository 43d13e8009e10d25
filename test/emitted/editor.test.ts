/** The files of a service that an editor and a version manager read. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanEnvironment, homeFolder, repository, run } from '../support/create.ts'

const service = join(repository, 'templates/service')
const read = (path: string): Promise<string> => readFile(join(service, path), 'utf8')

interface Launch {
  readonly name: string
  readonly runtimeArgs?: readonly string[]
  readonly program: string
  readonly args?: readonly string[]
}

async function configurations(): Promise<Record<string, Launch>> {
  const { configurations } = JSON.parse(await read('.vscode/launch.json')) as { configurations: Launch[] }
  return Object.fromEntries(configurations.map((one) => [one.name, one]))
}

test('the debugger starts dev as `npm run dev` does', async () => {
  const { dev } = await configurations()
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }
  const program = dev?.program.replace('${workspaceFolder}/', '') ?? ''
  expect(['node', ...(dev?.runtimeArgs ?? []), program].join(' ')).toBe(scripts['dev'])
})

test('the debugger runs the tests of the open file, and only these', async (t) => {
  const launch = (await configurations())['test: the open file']
  // In this repository npm installs vitest at the root of the workspace.
  const program = launch?.program.replace('${workspaceFolder}', repository) ?? ''
  const args = launch?.args?.map((arg) => arg.replace('${relativeFile}', 'src/context/context.test.ts')) ?? []
  const env = cleanEnvironment(await homeFolder((fn) => t.onTestFinished(fn)), { NO_COLOR: '1' })
  const { code, stdout, stderr } = await run([process.execPath, program, ...args], { cwd: service, env })
  expect(code, stderr).toBe(0)
  expect(stdout).toMatch(/Test Files +1 passed \(1\)/)
})

test('.nvmrc names the Node of the image', async () => {
  expect(await read('Dockerfile')).toContain(`FROM node:${(await read('.nvmrc')).trim()}-slim`)
})
