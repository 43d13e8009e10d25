/** The files of a service that an editor and a version manager read. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { load } from 'js-yaml'
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

test('CLAUDE.md is AGENTS.md, and each skill names existing files and commands', async () => {
  expect(await read('CLAUDE.md')).toBe('@AGENTS.md\n')
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }
  const skills = await readdir(join(service, '.claude/skills'))
  expect(skills.sort()).toEqual(['add-a-piece', 'find-a-lost-context', 'read-a-trace'])
  for (const skill of skills) {
    const text = await read(`.claude/skills/${skill}/SKILL.md`)
    expect(text).toMatch(new RegExp(`^---\nname: ${skill}\ndescription: .{50,}\n---\n\n# `))
    for (const [, script = ''] of text.matchAll(/npm run (?:--silent )?([\w:]+)/g))
      expect(Object.keys(scripts), skill).toContain(script)
    const paths = text.matchAll(/(?:`|\(| )((?:src|lint|test|generators|docs|scripts|drizzle)\/[\w./-]*)/g)
    for (const [, path = ''] of paths) expect(existsSync(join(service, path)), `${skill}: ${path}`).toBe(true)
  }
})

test('Dependabot updates packages, actions and the image, a group each; workflows name actions by commit', async () => {
  interface Update {
    readonly 'package-ecosystem': string
    readonly groups?: object
  }
  for (const [file, manager] of [
    ['.github/dependabot.yml', 'npm'],
    ['../managers/bun/.github/dependabot.yml', 'bun'],
  ] as const) {
    const { updates } = load(await read(file)) as { updates: Update[] }
    const [packages, actions, docker] = updates
    expect(updates.map((one) => one['package-ecosystem'])).toEqual([manager, 'github-actions', 'docker'])
    expect([packages?.groups, actions?.groups, docker]).not.toContain(undefined)
  }
  const workflows = [
    '.github/workflows',
    ...['pnpm', 'yarn', 'bun'].map((name) => `../managers/${name}/.github/workflows`),
  ]
  for (const folder of workflows) {
    for (const file of await readdir(join(service, folder))) {
      for (const [, used = ''] of (await read(`${folder}/${file}`)).matchAll(/uses: (.*)/g))
        expect(used).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$/)
    }
  }
})
