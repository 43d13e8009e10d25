import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { archiveName, unpacked } from '../../generator/archive.ts'
import { childEnvironment } from '../../generator/package-manager.ts'
import { leftovers, repository, run, sourceCommandLine, temporaryFolder, treeOf } from '../support/create.ts'

/** Installing the tarball fetches nothing else. */
const installMs = 180_000

const whole = leftovers()
afterAll(whole.remove)

let folder: string
let tarball: string
let packed: string[]
// With the user's own npm settings, because they name the registry.
const env = childEnvironment(process.env)

beforeAll(async () => {
  folder = await temporaryFolder(whole.atEnd)
  tarball = inject('tarball')
  const unpack = await run(['tar', 'xzf', tarball], { cwd: folder, env })
  expect(unpack.code, unpack.stderr).toBe(0)
  packed = Object.keys(await treeOf(join(folder, 'package')))
})

it('the tarball holds all of templates/ except the proofs, without leftovers of running them', async () => {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z', 'templates'], {
    cwd: repository,
    encoding: 'utf8',
  })
  const known = listed
    .split('\0')
    .filter((path) => path !== '' && !path.startsWith('templates/service/test/proofs/'))
  expect(known).toContain('templates/service/package.json')
  const archived = unpacked(await readFile(join(folder, 'package/dist', archiveName)))
  expect([...archived.keys()].map((path) => `templates/${path}`).sort()).toEqual(known.sort())
  expect(packed.sort()).toEqual([
    'LICENSE',
    'README.md',
    'dist/LICENSES.txt',
    'dist/bin.js',
    'dist/main.js',
    'dist/templates.br',
    'package.json',
  ])
})

it('no packed file names the clone', async () => {
  const clone = repository.replace(/\/$/, '')
  for (const path of packed) {
    const bytes = await readFile(join(folder, 'package', path))
    expect(bytes.includes(clone), path).toBe(false)
  }
  for (const [path, { bytes }] of unpacked(await readFile(join(folder, 'package/dist', archiveName))))
    expect(bytes.includes(clone), path).toBe(false)
})

it(
  'installed elsewhere, it emits byte for byte what the clone emits',
  async () => {
    const elsewhere = join(folder, 'elsewhere')
    const flags = [
      '--ignore-scripts',
      '--no-dry-run',
      '--no-global',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--prefix',
      elsewhere,
    ]
    const install = await run(['npm', 'install', ...flags, tarball], { cwd: folder, env })
    expect(install.code, install.stderr).toBe(0)
    expect(await readdir(join(elsewhere, 'node_modules'))).toEqual([
      '.bin',
      '.package-lock.json',
      'create-mainstem',
    ])

    const bin = join(elsewhere, 'node_modules/.bin/create-mainstem')
    const arguments_ = ['--no-install', '--no-git', '--yes']
    const trees = []
    for (const [command, place] of [
      [[bin], 'by-tarball'],
      [sourceCommandLine, 'by-clone'],
    ] as const) {
      const cwd = await temporaryFolder(whole.atEnd)
      const made = await run([...command, 'my-service', ...arguments_], { cwd, env })
      expect(made.code, `${place}: ${made.stderr}`).toBe(0)
      trees.push(await treeOf(join(cwd, 'my-service')))
    }
    expect(Object.keys(trees[0] ?? {})).toContain('.gitignore')
    expect(trees[0]).toEqual(trees[1])
  },
  installMs,
)
