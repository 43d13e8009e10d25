import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copySkeleton, removeCopy } from '../support/service-copy.ts'

let withPretty = ''
let withoutPretty = ''

beforeAll(async () => {
  withPretty = await copySkeleton()
  withoutPretty = await copySkeleton(['pino-pretty'])
})

afterAll(async () => {
  await removeCopy(withPretty)
  await removeCopy(withoutPretty)
})

const start = 'node --import tsx src/main.ts'

/** What the service writes when it has no DATABASE_URL: one line of the log. */
async function output(cwd: string, command: string[], env: Record<string, string> = {}): Promise<string> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await once(child, 'close')
  return text.trim()
}

const inTerminal = ['script', '-qec', start, '/dev/null']
const inPipe = start.split(' ')

test('in a terminal the log is formatted, in colour', async () => {
  const text = await output(withPretty, inTerminal)
  expect(text).toContain('start-up failed: DATABASE_URL is required')
  expect(text).toContain('\u001b[')
  expect(text).not.toContain('{"level"')
})

test('elsewhere it is JSON', async () => {
  expect(JSON.parse(await output(withPretty, inPipe))).toMatchObject({ level: 'fatal' })
})

test('LOG_FORMAT decides if it is set', async () => {
  const json = await output(withPretty, inTerminal, { LOG_FORMAT: 'json' })
  expect(JSON.parse(json)).toMatchObject({ level: 'fatal' })
  const pretty = await output(withPretty, inPipe, { LOG_FORMAT: 'pretty' })
  expect(pretty).toMatch(/^\[\d\d:\d\d:\d\d\] FATAL: start-up failed: DATABASE_URL is required/)
})

test('a format that does not exist is refused at the start', async () => {
  const line = await output(withPretty, inPipe, { LOG_FORMAT: 'xml' })
  expect(line).toContain("LOG_FORMAT must be json or pretty, not 'xml'")
})

test('without pino-pretty, as in production, the log is JSON in a terminal too', async () => {
  for (const env of [{}, { LOG_FORMAT: 'pretty' }]) {
    expect(JSON.parse(await output(withoutPretty, inTerminal, env))).toMatchObject({ level: 'fatal' })
  }
})
