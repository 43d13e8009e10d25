import { textFile, type Plan, type PlannedFile } from './tree.ts'

/** Files of a service that belong to the root of a workspace: GitHub, Docker and the package managers read them only there. */
const ofTheRoot = /^(?:\.github\/.*|\.dockerignore|pnpm-workspace\.yaml|\.yarnrc\.yml)$/

/** Keys of package.json that package managers read at the root alone. */
const keysOfTheRoot = ['packageManager', 'overrides', 'resolutions', 'allowScripts', 'scarfSettings']

/**
 * Turns the `plan` of a service into that of a workspace's member at `path` below the root: adds `files` and drops those that
 * belong to the root.
 */
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

/**
 * Unless the member itself depends on vite, pnpm may give vitest another member's vite, even one outside of the range of its
 * peer.
 */
function withPeers({ devDependencies, overrides }: Manifest): object {
  const all = Object.entries({ ...devDependencies, vite: overrides['vite'] })
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Turns the workflows of `plan`, a service outside of a workspace, into those of the workspace's root, by their paths there. */
export function workflowsAtRoot(plan: Plan, name: string, path: string, lock: string): Plan {
  return new Map(
    Object.entries(changes(name, path, lock)).map(([workflow, edits]) => [
      `.github/workflows/${name}-${workflow}.yml`,
      textFile(edited(textOf(plan, `.github/workflows/${workflow}.yml`), edits)),
    ]),
  )
}

type Edit = readonly [from: RegExp, to: string]

/** The edits that make workflows fit a member. The values need no quotes, because each root has its own style of quotes. */
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
      // A prune would remove what the other members need.
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
      throw new Error(`a template does not contain ${String(from)}, which a workspace replaces`)
    return before.replace(from, to)
  }, text)
}

function textOf(plan: Plan, path: string): string {
  const file = plan.get(path)
  if (file === undefined) throw new Error(`the templates lack ${path}`)
  return file.bytes.toString('utf8')
}
