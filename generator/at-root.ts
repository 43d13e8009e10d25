import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { applyEdits, modify } from 'jsonc-parser'
import { load } from 'js-yaml'
import type { Context } from '../templates/service/src/context/context.ts'
import { throwIfEnded } from './ended.ts'
import { lockFileOf, lockFiles } from './package-manager.ts'
import type { Service } from './service.ts'
import { textFile, type Plan, type PlannedFile } from './tree.ts'
import type { Workspace } from './workspace.ts'
import { workflowsAtRoot } from './workspace-files.ts'

const pnpmFile = 'pnpm-workspace.yaml'

/** Dependencies whose range for a peer includes versions too old for the service, with those peers. */
const peers: Readonly<Record<string, readonly string[]>> = {
  '@hono/node-server': ['hono'],
  '@typescript-eslint/utils': ['eslint', 'typescript'],
  'typescript-eslint': ['eslint', 'typescript'],
  'zod-openapi': ['zod'],
}

/**
 * Plans the files that `service` needs at the root of its workspace. An existing workflow stays unchanged.
 * @param alone the same service outside of a workspace
 */
export function planAtRoot(service: Service, alone: Plan, { root, path }: Workspace): Plan {
  const { name, manager = { name: 'npm' } } = service
  const workflows = workflowsAtRoot(alone, name, path, lockFileOf(manager.name))
  const planned = new Map([...workflows].filter(([file]) => !existsSync(join(root, file))))
  const change = (file: string, after: (text: string) => string): void => {
    const there = textOf(root, file)
    const text = after(there)
    if (text !== there) planned.set(file, textFile(text))
  }
  if (manager.name === 'npm') change('package.json', (text) => withOverrides(text, service, alone))
  if (manager.name === 'yarn') change('package.json', (text) => withResolutions(text, alone))
  const settings = alone.get(pnpmFile)
  if (manager.name === 'pnpm' && settings !== undefined && Number.parseInt(manager.version) > 10)
    change(pnpmFile, (text) => withBuildsAnswered(text, settings))
  return planned
}

/**
 * npm hoists shared dependencies to the root, where `@hono/node-server` may find another member's older `hono`. Overrides under
 * the service's name keep its peers in its own ranges and do not affect other members.
 */
function withOverrides(text: string, { name }: Service, alone: Plan): string {
  const manifest = manifestOf(alone)
  const ranges = { ...manifest.dependencies, ...manifest.devDependencies }
  const own = Object.entries(manifest.overrides).filter(([, range]) => typeof range === 'string')
  const ofPeers = Object.entries(peers).map(([dependency, names]) => {
    return [dependency, Object.fromEntries(names.map((peer) => [peer, ranges[peer]]))] as const
  })
  return withValue(text, ['overrides', name], Object.fromEntries([...ofPeers, ...own]))
}

/**
 * Yarn reads `resolutions` only at the root. Those of the service name the range that they replace, so they do not affect other
 * members.
 */
function withResolutions(text: string, alone: Plan): string {
  const { resolutions: there } = JSON.parse(text) as Partial<Manifest>
  const missing = Object.entries(manifestOf(alone).resolutions).filter(([key]) => there?.[key] === undefined)
  return missing.reduce((now, [key, range]) => withValue(now, ['resolutions', key], range), text)
}

function manifestOf(plan: Plan): Manifest {
  return JSON.parse(plan.get('package.json')?.bytes.toString('utf8') ?? '{}') as Manifest
}

/** Sets a value at `path` of a JSON text and keeps the text's indentation. */
function withValue(text: string, path: string[], value: unknown): string {
  const indent = /^([^\S\n]+)"/m.exec(text)?.[1] ?? '  '
  const formattingOptions = { insertSpaces: !indent.startsWith('\t'), tabSize: indent.length, eol: '\n' }
  return applyEdits(text, modify(text, path, value, { formattingOptions }))
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, unknown>>
  readonly resolutions: Readonly<Record<string, string>>
}

function textOf(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/**
 * Adds `false` for each install script of the service that `text` does not mention. pnpm 11 and later fail every install until
 * each install script is allowed or denied.
 */
function withBuildsAnswered(text: string, ofTheService: PlannedFile): string {
  const builds = (one: string) => (load(one) as { allowBuilds?: Record<string, boolean> } | null)?.allowBuilds
  const answered = builds(text)
  const names = Object.keys(builds(ofTheService.bytes.toString('utf8')) ?? {})
  const quote = text.includes('"') ? '"' : "'"
  const quoted = (name: string): string => (name.startsWith('@') ? `${quote}${name}${quote}` : name)
  const missing = names.filter((name) => answered?.[name] === undefined)
  const lines = missing.map((name) => `${quoted(name)}: false\n`)
  if (lines.length === 0) return text
  const head = /^allowBuilds:[^\S\n]*(?:#.*)?\n(?:[^\S\n]+\S.*\n?)+/m.exec(text)?.[0]
  const indent = /^[^\S\n]+/m.exec(head ?? '')?.[0] ?? '  '
  const block = lines.map((line) => `${indent}${line}`).join('')
  if (head !== undefined) return text.replace(head, () => `${head.replace(/\n?$/, '\n')}${block}`)
  // The list is in braces, so a person wrote it: pnpm names what is missing.
  if (answered !== undefined) return text
  return `${text.replace(/\n*$/, '\n')}# The members work without the install scripts of these packages.\nallowBuilds:\n${block}`
}

/** Files at the root whose change can be undone. */
export interface AtRoot {
  /** Restores these files and the lock files as they were. Pass a context that does not end. */
  undo(ctx: Context): Promise<void>
}

/** Writes `plan` below `root`, all or nothing. @throws what writing throws; the cause of ctx when it ends */
export async function writeAtRoot(ctx: Context, root: string, plan: Plan): Promise<AtRoot> {
  const steps: (() => Promise<unknown>)[] = []
  const undo = async (): Promise<void> => {
    for (const step of steps.reverse()) await step()
  }
  const keep = (file: string): void => {
    const before = existsSync(file) ? readFileSync(file) : undefined
    steps.push(() => (before === undefined ? rm(file, { force: true }) : writeFile(file, before)))
  }
  try {
    for (const lock of lockFiles) keep(join(root, lock))
    for (const [path, { bytes }] of plan) {
      throwIfEnded(ctx)
      const file = join(root, path)
      const made = await mkdir(dirname(file), { recursive: true })
      if (made !== undefined) steps.push(() => rm(made, { recursive: true, force: true }))
      keep(file)
      await writeFile(file, bytes)
    }
  } catch (error) {
    await undo()
    throw error
  }
  return { undo }
}
