import { textFile, type Plan, type PlannedFile } from './tree.ts'

/** Files of a service that only the root of a workspace may have: GitHub, Docker and the package managers read them there. */
const ofTheRoot = /^(?:\.github\/.*|\.dockerignore|pnpm-workspace\.yaml|\.yarnrc\.yml)$/

/** Keys of package.json that package managers read at the root alone. */
const keysOfTheRoot = ['packageManager', 'overrides', 'resolutions', 'allowScripts', 'scarfSettings']

/** The service's `plan` as a member of a workspace, at `path` below its root: with `files`, which know the root, and without those of a root. */
export function asMember(plan: Plan, path: string, files: Plan): Map<string, PlannedFile> {
  const member = new Map([...plan].filter(([file]) => !ofTheRoot.test(file)))
  for (const [file, planned] of files) member.set(file, planned)
  const manifest = JSON.parse(textOf(plan, 'package.json')) as Manifest
  const kept = Object.fromEntries(Object.entries(manifest).filter(([key]) => !keysOfTheRoot.includes(key)))
  const own = plan.has('pnpm-workspace.yaml') ? { ...kept, devDependencies: withPeers(manifest) } : kept
  member.set('package.json', textFile(`${JSON.stringify(own, null, 2)}\n`))
  const build = `build:\n      context: ${path.replace(/[^/]+/g, '..')}\n      dockerfile: ${path}/Dockerfile`
  member.set('compose.yaml', textFile(edited(textOf(plan, 'compose.yaml'), [[/build: \./g, build]])))
  return member
}

interface Manifest {
  readonly devDependencies: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, unknown>>
}

/** pnpm gives vitest, whose peer vite is, any vite of a neighbour's, also one out of its range, unless the member names one. */
function withPeers({ devDependencies, overrides }: Manifest): object {
  const all = Object.entries({ ...devDependencies, vite: overrides['vite'] })
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The workflows of a service that stands alone, `plan`, as the root of its workspace has them, by their paths there. */
export function workflowsAtRoot(plan: Plan, name: string, path: string, lock: string): Plan {
  return new Map(
    Object.entries(changes(name, path, lock)).map(([workflow, edits]) => [
      `.github/workflows/${name}-${workflow}.yml`,
      textFile(edited(textOf(plan, `.github/workflows/${workflow}.yml`), edits)),
    ]),
  )
}

type Edit = readonly [from: RegExp, to: string]

/** What tells the workflows of a member from those of a service that stands alone. The values need no quotes, of which each root has its own kind. */
function changes(name: string, path: string, lock: string): Record<string, readonly Edit[]> {
  const paths = [`${path}/**`, `.github/workflows/${name}-ci.yml`, 'package.json', lock]
  const onPaths = `    paths:\n${paths.map((one) => `      - ${one}\n`).join('')}`
  const folder: Edit = [/^jobs:$/m, `defaults:\n  run:\n    working-directory: ${path}\n\njobs:`]
  return {
    ci: [
      [/^name: ci$/m, `name: ${name}-ci`],
      [/^( +branches: .*\n)( +pull_request:\n)/m, `$1${onPaths}$2${onPaths}`],
      [/group: ci-/, `group: ${name}-ci-`],
      folder,
      [/'20\.19'/, '20.19.0'],
      // The other members may need what a prune takes away.
      [/ +# Like the image.*\n.*\n/, ''],
    ],
    release: [
      [/^name: release$/m, `name: ${name}-release`],
      [/such as v/, `such as ${name}-v`],
      [/OWNER\/NAME:/, `OWNER/NAME/${name}:`],
      [/tags: \['v\*'\]/, `tags: [${name}-v*]`],
      [/\$\{GITHUB_REPOSITORY,,\}/, `$\{GITHUB_REPOSITORY,,}/${name}`],
      [/\$\{TAG#v\}/, `$\{TAG#${name}-v}`],
      [/made\.json \.$/m, `made.json --file ${path}/Dockerfile .`],
    ],
    update: [
      [/^name: update$/m, `name: ${name}-update`],
      [/group: update$/m, `group: ${name}-update`],
      [/mainstem-update/g, `${name}-update`],
      [/cron: '(.*)'/, 'cron: $1'],
      folder,
    ],
  }
}

function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, [from, to]) => {
    if (before.search(from) < 0)
      throw new Error(`a template lacks ${String(from)}, which a workspace changes`)
    return before.replace(from, to)
  }, text)
}

function textOf(plan: Plan, path: string): string {
  const file = plan.get(path)
  if (file === undefined) throw new Error(`the templates lack ${path}`)
  return file.bytes.toString('utf8')
}
