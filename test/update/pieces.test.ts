import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { recordFrom } from '../../templates/service/generators/engine/record.ts'
import { add } from '../support/added-service.ts'
import {
  changeOf,
  commit,
  created,
  filesOf,
  packageOf,
  resultOf,
  templateOf,
  update,
} from '../support/versions.ts'

const pieceFile = 'service/generators/pieces/route/src/widget/widget.handlers.ts'
const answer = 'return Response.json(WidgetAnswer.parse({ text, length: rows[0]?.length }))'
const changed = `const answer = WidgetAnswer.parse({ text, length: rows[0]?.length })
  return Response.json(answer, { headers: { 'cache-control': 'no-store' } })`

let older: string
let newer: string
beforeAll(() => {
  older = packageOf('0.3.0')
  newer = packageOf('0.5.0', {
    [pieceFile]: templateOf(pieceFile).replace(answer, changed),
    'service/src/main.ts': `${templateOf('service/src/main.ts')}// The end.\n`,
  })
  expect(templateOf(pieceFile)).toContain(answer)
})

function change(service: string, path: string, edit: (text: string) => string): void {
  const before = readFileSync(join(service, path), 'utf8')
  const after = edit(before)
  expect(after).not.toBe(before)
  writeFileSync(join(service, path), after)
}

/** A service with a route, committed, and with a job if asked for. */
async function grown(from: string, withJob = false): Promise<string> {
  const service = created(from, '--no-example')
  // Committed as by the create command, so that git has the emitted files.
  commit(service)
  expect(await add(service, 'route', 'report', '--method', 'POST')).toMatchObject({ code: 0 })
  if (withJob) expect(await add(service, 'job', 'send-mail')).toMatchObject({ code: 0 })
  commit(service)
  return service
}

test('an old service that was extended and updated equals a new service that was extended', async () => {
  const service = await grown(older, true)
  const updated = update(newer, service, ['--json', '--no-install'])
  expect(updated).toMatchObject({ code: 0 })
  expect(filesOf(service)).toEqual(filesOf(await grown(newer, true)))

  commit(service)
  const tree = filesOf(service)
  const again = update(newer, service)
  expect(again.out).toContain('up to date')
  expect(again.code).toBe(0)
  expect(filesOf(service)).toEqual(tree)
})

/** The template with changes next to everything that `npm run add` wires. */
function edited(): string {
  const edit = (path: string, from: string | RegExp, to: string): [string, string] => {
    const text = templateOf(path).replace(from, to)
    expect(text).not.toBe(templateOf(path))
    return [path, text]
  }
  const routes = edit(
    'service/src/routes.ts',
    '[...healthRoutes(platform)]',
    '[...healthRoutes(platform), ...teaRoutes(platform)]',
  )
  const imported = "import { healthRoutes } from './health/health.routes.ts'\n"
  return packageOf('0.5.0', {
    [routes[0]]: routes[1].replace(imported, `${imported}import { teaRoutes } from './tea.ts'\n`),
    ...Object.fromEntries([
      edit(
        'service/src/workers.ts',
        "lifecycle/workers.ts'\n",
        "lifecycle/workers.ts'\nimport { brew } from './tea.ts'\n",
      ),
      edit('service/src/config.ts', /(\n\}\)\n)/, "\n  TEA: text('green').describe('which tea'),$1"),
    ]),
  })
}

test(
  'what the template changes beside a wired call is not a conflict, nor is what the team changes there',
  { timeout: 300_000 },
  async () => {
    const to = edited()
    const withClient = async (from: string): Promise<string> => {
      const service = await grown(from, true)
      expect(
        await add(service, 'client', 'payments', '--base-url', 'https://payments.example.com'),
      ).toMatchObject({
        code: 0,
      })
      change(service, 'src/routes.ts', (text) =>
        text.replace("  'referrer-policy'", "  'x-ours': 'yes',\n  'referrer-policy'"),
      )
      change(service, 'src/jobs.ts', (text) => `${text}// Ours.\n`)
      commit(service)
      return service
    }
    const service = await withClient(older)
    const updated = update(to, service, ['--json', '--no-install'])
    const result = resultOf(updated)
    expect(result.files.filter(({ change }) => change === 'conflict')).toEqual([])
    expect(updated.code).toBe(0)
    expect(filesOf(service)).toEqual(filesOf(await withClient(to)))
  },
)

const piece = 'service/generators/pieces/route/piece.ts'
const extras = 'export function extras(): unknown[] {\n  return []\n}\n'

/** The piece `route` with one more wiring, into the list of `extras` in `file`. */
function wiredTo(file: string): string {
  const wiring = `{
      file: '${file}',
      within: 'extras',
      as: 'element',
      call: 'widgetRoutes',
      from: './widget/widget.routes.ts',
      takes: [],
    },`
  return templateOf(piece).replace('wirings: [', `wirings: [${wiring}`)
}

test('a new wiring reaches a piece whose generator was elsewhere', { timeout: 300_000 }, async () => {
  const old = packageOf('0.3.0', {
    'service/src/extras.ts': extras,
    'service/generators/old/route/piece.ts': templateOf(piece),
  })
  const now = packageOf('0.5.0', { 'service/src/extras.ts': extras, [piece]: wiredTo('src/extras.ts') })
  const service = await grown(old)
  expect(update(now, service, ['--no-install'])).toMatchObject({ code: 0, err: '' })
  expect(readFileSync(join(service, 'src/extras.ts'), 'utf8')).toContain('reportRoutes()')
})

test(
  'a call in a file that the template has moved since is not a change of the team',
  { timeout: 300_000 },
  async () => {
    const [from, to] = ['service/src/platform/migrations.ts', 'service/src/platform/database/migrations.ts']
    const old = packageOf('0.1.0', {
      [to]: undefined,
      [from]: extras,
      [piece]: wiredTo('src/platform/migrations.ts'),
    })
    const now = packageOf('0.2.0')
    const service = await grown(old)
    expect(readFileSync(join(service, 'src/platform/migrations.ts'), 'utf8')).toContain('reportRoutes()')
    const updated = update(now, service, ['--json', '--no-install'])
    const result = resultOf(updated)
    expect(result.files.filter(({ change }) => change === 'conflict')).toEqual([])
    expect(readFileSync(join(service, 'src/platform/database/migrations.ts'), 'utf8')).toBe(templateOf(to))
    expect(updated.code).toBe(0)
  },
)

test('a fix of a piece reaches files that the team has changed since; a deleted piece is skipped', async () => {
  const service = await grown(older, true)
  change(service, 'src/report/report.handlers.ts', (text) => `// Ours.\n${text}`)
  change(service, 'generators/engine/pieces.ts', (text) => text.replace(/ job,/, ''))
  change(service, 'generators/engine/pieces.ts', (text) => text.replace(/import \{ job .*\n/, ''))
  commit(service)
  const updated = update(newer, service, ['--json', '--no-install'])
  const result = resultOf(updated)
  expect(updated.code).toBe(0)
  const text = readFileSync(join(service, 'src/report/report.handlers.ts'), 'utf8')
  expect(text).toMatch(/^\/\/ Ours\.\n/)
  expect(text).toContain("'cache-control': 'no-store'")
  expect(changeOf(result, 'src/report/report.handlers.ts')).toBe('merged')
  expect(result.notes).toContain('skipped job send-mail: generators/ has no piece "job" any more.')
  expect(changeOf(result, 'src/send-mail/send-mail.job.ts')).toBeUndefined()
})

test('an engine that names a piece without a noun twice may skip it, and nothing of the piece is lost', async () => {
  const service = await grown(older)
  expect(await add(service, 'idempotency')).toMatchObject({ code: 0 })
  change(service, 'generators/engine/record.ts', (text) =>
    text.replace('noun === undefined || noun === piece', 'noun === undefined'),
  )
  change(service, 'generators/engine/pieces.ts', (text) => text.replace(/ idempotency,/, ''))
  change(service, 'generators/engine/pieces.ts', (text) => text.replace(/import \{ idempotency .*\n/, ''))
  commit(service)
  const updated = update(newer, service, ['--json', '--no-install'])
  const result = resultOf(updated)
  expect(result.notes.filter((note) => note.startsWith('skipped'))).toEqual([
    expect.stringMatching(/^skipped idempotency idempotency: /),
  ])
  expect(result.files.filter(({ change }) => change === 'deleted')).toEqual([])
  const { pieces } = recordFrom(readFileSync(join(service, '.mainstem.json'), 'utf8'))
  expect(pieces.map(({ piece }) => piece)).toContain('idempotency')
})

test('a removed piece stays removed, and the schema of its table stays unchanged', async () => {
  const service = await grown(older)
  expect(await add(service, 'resource', 'invoice', '--fields', 'title:text')).toMatchObject({ code: 0 })
  expect(await add(service, '--remove', 'resource', 'invoice')).toMatchObject({ code: 0 })
  commit(service)
  const before = filesOf(service)
  const updated = update(newer, service, ['--json', '--no-install'])
  expect(resultOf(updated).files.map(({ path }) => path)).toEqual([
    'generators/pieces/route/src/widget/widget.handlers.ts',
    'src/main.ts',
    'src/report/report.handlers.ts',
  ])
  expect(Object.keys(filesOf(service))).toEqual(Object.keys(before))
  const { pieces } = recordFrom(readFileSync(join(service, '.mainstem.json'), 'utf8'))
  expect(pieces.map(({ piece, files }) => [piece, Object.keys(files).length])).toEqual([
    ['resource', 1],
    ['route', 3],
  ])
})

test('--restamp finds the texts that an update has merged, though no commit has them', async () => {
  const service = await grown(older)
  change(service, 'src/report/report.handlers.ts', (text) => `// Ours.\n${text}`)
  commit(service)
  expect(update(newer, service, ['--no-install'])).toMatchObject({ code: 0 })
  change(service, 'generators/pieces/route/src/widget/widget.handlers.ts', (text) =>
    text.replace('no-store', 'private'),
  )
  commit(service)
  expect(update(newer, service, ['--restamp'])).toMatchObject({ code: 0 })
  const text = readFileSync(join(service, 'src/report/report.handlers.ts'), 'utf8')
  expect(text).toMatch(/^\/\/ Ours\.\n[\s\S]*'cache-control': 'private'/)
})

test("--restamp applies the team's change of a piece to the files that it stamped before, and changes nothing else", async () => {
  const service = await grown(older)
  change(service, 'src/report/report.handlers.ts', (text) => `// Ours.\n${text}`)
  change(service, 'generators/pieces/route/src/widget/widget.handlers.ts', (text) =>
    text.replace(answer, changed),
  )
  commit(service)
  const before = filesOf(service)
  const updated = update(older, service, ['--restamp', '--json'])
  expect(resultOf(updated).files.map(({ path, change }) => [path, change])).toEqual([
    ['src/report/report.handlers.ts', 'merged'],
  ])
  const after = filesOf(service)
  expect(after['src/report/report.handlers.ts']).toMatch(/^\/\/ Ours\.\n[\s\S]*no-store/)
  const others = Object.keys(after).filter((path) => after[path] !== before[path])
  expect(others).toEqual(['.mainstem.json', 'src/report/report.handlers.ts'])
})

test('--restore writes the text of a piece over an edited file, and --abort undoes that', async () => {
  const service = await grown(older)
  const path = 'src/report/report.handlers.ts'
  const stamped = readFileSync(join(service, path), 'utf8')
  change(service, path, (text) => `// Ours.\n${text}`)
  commit(service)
  const before = filesOf(service)
  expect(update(older, service, ['--restore', path, '--restore', './Dockerfile'])).toMatchObject({ code: 0 })
  expect(readFileSync(join(service, path), 'utf8')).toBe(stamped)
  expect(update(older, service, ['--abort'])).toMatchObject({ code: 0 })
  expect(filesOf(service)).toEqual(before)
  const unknown = update(older, service, ['--restore', 'src/nothing.ts'])
  expect(unknown.err).toContain('src/nothing.ts is not a file of the template or of a piece')
  expect(unknown.code).toBe(1)
})

test('--restore restores the schema of a removed piece, but no other file of it', async () => {
  const service = await grown(older)
  expect(await add(service, 'resource', 'invoice', '--fields', 'title:text')).toMatchObject({ code: 0 })
  expect(await add(service, '--remove', 'resource', 'invoice')).toMatchObject({ code: 0 })
  const schema = 'src/invoices/invoices.schema.ts'
  const stamped = readFileSync(join(service, schema), 'utf8')
  change(service, schema, (text) => `${text}// Ours.\n`)
  commit(service)
  const before = filesOf(service)
  for (const path of ['src/invoices/invoices.routes.ts', 'src/platform/database/rows.ts']) {
    const refused = update(older, service, ['--restore', path])
    expect(refused.err).toContain(`${path} is not a file of the template or of a piece`)
    expect(refused.code).toBe(1)
  }
  expect(filesOf(service)).toEqual(before)
  expect(update(older, service, ['--restore', schema])).toMatchObject({ code: 0 })
  expect(readFileSync(join(service, schema), 'utf8')).toBe(stamped)
})

test('a different prettier style is not a change, and merged files have that style', async () => {
  const service = await grown(older)
  change(service, '.prettierrc.json', (text) =>
    text.replace('"printWidth": 110', '"printWidth": 80, "semi": true'),
  )
  for (const path of ['src/report/report.handlers.ts', 'src/main.ts', 'src/report/report.routes.ts'])
    change(service, path, (text) => styled(service, path, text))
  commit(service)
  const updated = update(newer, service, ['--json', '--no-install'])
  expect(updated.code).toBe(0)
  const handlers = readFileSync(join(service, 'src/report/report.handlers.ts'), 'utf8')
  expect(handlers).toContain('{ headers: { "cache-control": "no-store" } }'.replaceAll('"', "'"))
  expect(handlers).toBe(styled(service, 'src/report/report.handlers.ts', handlers))
  expect(readFileSync(join(service, 'src/main.ts'), 'utf8')).toMatch(/;\n\/\/ The end\.\n$/)
})

function styled(service: string, path: string, text: string): string {
  const prettier = join(import.meta.dirname, '../../node_modules/prettier/bin/prettier.cjs')
  const { status, stdout } = spawnSync(process.execPath, [prettier, '--stdin-filepath', path], {
    cwd: service,
    input: text,
    encoding: 'utf8',
  })
  expect(status).toBe(0)
  return stdout
}
