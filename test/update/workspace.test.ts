/** An update of a service that is a member of a workspace, whose root has what it needs. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commit, folder, git, packageOf, templateOf, update, writeAll } from '../support/versions.ts'

test('installs at the root, names an override that is old now, and --abort restores the lock file there', () => {
  const manifest = 'service/package.json'
  const raised = templateOf(manifest).replace(/"hono": "[^"]+"/, '"hono": "^4.99.0"')
  const [older, newer] = [packageOf('0.3.0'), packageOf('0.5.0', { [manifest]: raised })]
  const root = mkdtempSync(join(folder, 'root-'))
  const list = { private: true, packageManager: 'npm@11.0.0', workspaces: ['apps/*'] }
  writeAll(root, { 'package.json': JSON.stringify(list), 'package-lock.json': 'before\n' })
  const flags = ['apps/my-service', '--yes', '--no-install', '--no-example']
  execFileSync(process.execPath, [join(older, 'dist/bin.js'), ...flags], { cwd: root })
  commit(root)
  const programs = mkdtempSync(join(folder, 'programs-'))
  writeFileSync(join(programs, 'npm'), '#!/bin/sh\necho after > package-lock.json\n', { mode: 0o755 })

  const service = join(root, 'apps/my-service')
  const updated = update(newer, service, [], { PATH: `${programs}:${process.env['PATH']}` })
  expect(updated, updated.err).toMatchObject({ code: 0 })
  expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).toBe('after\n')
  expect(updated.out).toMatch(
    /the overrides of \S+ ask for hono \S+, but the service asks for \^4\.99\.0: write/,
  )
  expect(update(newer, service, ['--abort'])).toMatchObject({ code: 0 })
  expect(git(root, 'status', '--porcelain')).toBe('')
})

test('a service that was created alone stays in the Yarn workspace that it was moved into', () => {
  const manifest = 'service/package.json'
  const raised = templateOf(manifest).replace(/"hono": "[^"]+"/, '"hono": "^4.99.0"')
  const [older, newer] = [packageOf('0.3.0'), packageOf('0.5.0', { [manifest]: raised })]
  const root = mkdtempSync(join(folder, 'root-'))
  const programs = mkdtempSync(join(folder, 'programs-'))
  const yarn = '#!/bin/sh\n[ "$1" = --version ] && echo 4.6.0 && exit\necho after > yarn.lock\n'
  writeFileSync(join(programs, 'yarn'), yarn, { mode: 0o755 })
  const env = { PATH: `${programs}:${process.env['PATH']}` }
  const flags = ['apps/my-service', '--yes', '--no-install', '--no-git', '--no-example', '--pm', 'yarn']
  const options = { cwd: root, env: { ...process.env, ...env } }
  execFileSync(process.execPath, [join(older, 'dist/bin.js'), ...flags], options)
  const list = { private: true, packageManager: 'yarn@4.6.0', workspaces: ['apps/*'] }
  writeAll(root, { 'package.json': JSON.stringify(list), 'yarn.lock': 'before\n' })
  symlinkSync(join(folder, 'node_modules'), join(root, 'node_modules'))
  commit(root)

  const service = join(root, 'apps/my-service')
  const updated = update(newer, service, [], env)
  expect(updated, updated.err).toMatchObject({ code: 0 })
  expect(existsSync(join(service, 'yarn.lock'))).toBe(false)
  expect(readFileSync(join(root, 'yarn.lock'), 'utf8')).toBe('after\n')
  expect(update(newer, service, ['--abort'])).toMatchObject({ code: 0 })
  expect(git(root, 'status', '--porcelain')).toBe('')
})
