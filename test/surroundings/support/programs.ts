import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The Debian package of each program that a test starts. A program outside of PATH has its full path. */
const packages = {
  haproxy: 'haproxy',
  nginx: 'nginx',
  'nats-server': 'nats-server',
  openssl: 'openssl',
  pgbouncer: 'pgbouncer',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  '/usr/lib/postgresql/15/bin/postgres': 'postgresql-15',
} as const

export type Program = keyof typeof packages

const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin']

/** The path of `program`; undefined if it is not installed. */
export function find(program: Program): string | undefined {
  if (program.startsWith('/')) return existsSync(program) ? program : undefined
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}

/** @throws Error that names the Debian package if it is not installed: its tests should have been skipped */
export function pathOf(program: Program): string {
  const path = find(program)
  if (path === undefined) throw new Error(`${program} is missing: apt-get install ${packages[program]}`)
  return path
}

/** One line for each program that is missing. */
export function missing(): string[] {
  return Object.entries(packages)
    .filter(([program]) => find(program as Program) === undefined)
    .map(([program, name]) => `${program} is missing: apt-get install ${name}`)
}
