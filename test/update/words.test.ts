/** The source of the old package, and the package manager's commands in the messages of `update`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { commit, created, folder, packageOf, resultOf, update } from '../support/versions.ts'

let older: string
let newer: string
beforeAll(() => {
  older = packageOf('0.3.0', { 'service/docs/lines.txt': 'a\n' })
  newer = packageOf('0.5.0', { 'service/docs/lines.txt': 'b\n' })
})

test('the old package is asked for where the .npmrc of the service says, and with its token', async () => {
  const service = created(older, '--no-example')
  writeFileSync(join(service, 'docs/lines.txt'), 'ours\n')
  const asked: string[] = []
  const registry = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`)
    response.writeHead(404).end('{}')
  })
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  const place = `//127.0.0.1:${(registry.address() as AddressInfo).port}/`
  writeFileSync(join(service, '.npmrc'), `registry=http:${place}\n${place}:_authToken=s3cret\n`)
  // A package.json there does not belong to this service.
  const TMPDIR = mkdtempSync(join(folder, 'tmp-'))
  writeFileSync(join(TMPDIR, 'package.json'), '{}')
  const env = { ...process.env, TMPDIR }
  for (const name of Object.keys(env)) if (/^npm_config_/i.test(name)) Reflect.deleteProperty(env, name)
  const child = spawn(process.execPath, [join(newer, 'dist/main.js'), 'update'], { cwd: service, env })
  const [code] = (await once(child, 'close')) as [number]
  registry.close()
  expect(asked[0]).toBe('/create-mainstem Bearer s3cret')
  // No source has the text, so every difference is marked.
  expect(code).toBe(3)
})

test('an unreadable file is named in one sentence, and a file in the place of a folder stays', () => {
  const service = created(older, '--no-example')
  const manifest = join(service, 'package.json')
  const text = readFileSync(manifest, 'utf8')
  for (const [broken, why] of [
    ['{ oops', 'package.json is not a JSON object: fix that, then update'],
    [`\uFEFF${text}`, 'package.json begins with a byte order mark: fix that, then update'],
  ] as const) {
    writeFileSync(manifest, broken)
    expect(update(newer, service)).toMatchObject({ code: 1, err: `create-mainstem: ${why}\n` })
  }
  writeFileSync(manifest, text)
  rmSync(join(service, 'docs'), { recursive: true })
  writeFileSync(join(service, 'docs'), 'ours\n')
  const updated = update(newer, service, ['--json'])
  expect(updated.code).toBe(0)
  expect(resultOf(updated).files).toMatchObject([{ path: 'docs/lines.txt', change: 'left' }])
  rmSync(join(service, '.mainstem.json'))
  mkdirSync(join(service, '.mainstem.json'))
  expect(update(newer, service).err).toContain('.mainstem.json cannot be read (EISDIR)')
})

test('after the team has renamed the service, the message lists new files that have the first name', () => {
  const service = created(older, '--no-example')
  const manifest = join(service, 'package.json')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"my-service"', '"@acme/orders"'))
  const added = packageOf('0.5.0', {
    'service/k8s/quota.yaml': 'name: mainstem-service\n',
    'service/docs/more.md': 'my-services\n',
  })
  expect(resultOf(update(added, service, ['--json'])).notes).toEqual([
    'the service is called @acme/orders now, but these new files call it my-service: k8s/quota.yaml',
  ])
})

test('in a folder of a service the message names the service, and a missing tarball is refused', () => {
  const service = created(older, '--no-example')
  const inside = update(newer, join(service, 'src/platform'))
  expect(inside.err).toContain(`run update in ${service}, which holds a service`)
  const missing = update(newer, service, ['--from', './create-mainstem-0.3.0.tgz', '--json'])
  expect(missing.code).toBe(1)
  expect(JSON.parse(missing.out)).toEqual({
    error: '--from ./create-mainstem-0.3.0.tgz does not exist: name a version, or the path of its tarball',
  })
})

test.each([
  ['pnpm-lock.yaml', 'pnpm run update'],
  ['yarn.lock', 'yarn run update'],
  ['bun.lock', 'bun run update'],
  ['package-lock.json', 'npm run update'],
])('with %s the messages say %s', (lock, words) => {
  const service = created(newer, '--no-example')
  writeFileSync(join(service, lock), '')
  commit(service)
  const { code, err } = update(older, service)
  expect(err).toContain(`which is older: ${words} uses the newest\n`)
  expect(code).toBe(1)
  const record = join(service, '.mainstem.json')
  writeFileSync(record, readFileSync(record, 'utf8').replace('"version": "0.5.0"', '"version": "0.3.0"'))
  const checked = update(newer, service, ['--check'])
  expect(checked.out).toContain(`Update it with ${words}`)
  expect(checked.code).toBe(2)
  rmSync(join(service, lock))
})
