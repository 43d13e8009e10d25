import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { minimatch } from 'minimatch'
import { load } from 'js-yaml'
import { Failure } from './failure.ts'
import { managerOfLock, packageManagers, type PackageManager } from './package-manager.ts'

/** A folder whose package manager installs several packages at once, its members, and keeps one lock file for all. */
export interface Workspace {
  readonly root: string
  /** The path of the service below the root, with `/`. */
  readonly path: string
  /** The file that lists the members, by patterns. */
  readonly list: string
  /** Whether the list has `path`. */
  readonly member: boolean
  /** The package manager of the root; undefined if no file names one. */
  readonly manager: PackageManager | undefined
  /** The version of `manager`, if the root's packageManager names one. */
  readonly version: string | undefined
}

/**
 * Finds the workspace of a service in `directory`: the nearest one above that lists it as a member, else the nearest; undefined
 * if there is none.
 */
export function workspaceOf(directory: string): Workspace | undefined {
  let nearest: Workspace | undefined
  for (let root = dirname(directory); ; root = dirname(root)) {
    const found = workspaceAt(root, relative(root, directory).replaceAll('\\', '/'))
    if (joined(found) !== undefined) return found
    nearest ??= found
    if (root === dirname(root)) return nearest
  }
}

/** The workspace, if the service is a member of it. */
export function joined(workspace: Workspace | undefined): Workspace | undefined {
  return workspace?.member === true ? workspace : undefined
}

/** @throws Failure if another package manager installs the workspace, or if it uses Plug'n'Play */
export function requireUsable(
  { root, member, manager }: Workspace,
  chosen: PackageManager | undefined,
): void {
  if (!member || manager === undefined) return
  if (chosen !== undefined && chosen !== manager)
    throw new Failure(`the workspace ${root} installs with ${manager}: leave out --pm ${chosen}`)
  if (
    manager !== 'yarn' ||
    /^(?:node-modules|pnpm)$/.test(String(parsed(join(root, '.yarnrc.yml'))?.['nodeLinker']))
  )
    return
  throw new Failure(
    `the workspace ${root} uses Yarn's Plug'n'Play, under which a service does not run: write nodeLinker: node-modules into its .yarnrc.yml`,
  )
}

/** What the user must know or do about the workspace, one sentence each. */
export function notesOn({ root, path, list, member }: Workspace): string[] {
  if (!member) {
    const to = 'to make it a member, add it there and create it again'
    return [`workspace: ${join(root, list)} does not list ${path}, so the service stands alone; ${to}`]
  }
  const eslint = lintsAll(root)
    ? [`eslint: make the configuration at ${root} ignore ${path}/, which has rules of its own`]
    : []
  return [`workspace: a member of ${root}, which keeps the lock file and the git repository`, ...eslint]
}

/** Whether ESLint at the root reads the root's configuration for every file, as it does before version 10. */
function lintsAll(root: string): boolean {
  const { devDependencies, dependencies } = parsed(join(root, 'package.json')) ?? {}
  const range = [devDependencies, dependencies]
    .map((ranges) => isObject(ranges) && ranges['eslint'])
    .find(Boolean)
  const major = /\d+/.exec(String(range))?.[0]
  return major !== undefined && Number(major) < 10
}

function workspaceAt(root: string, path: string): Workspace | undefined {
  const manifest = parsed(join(root, 'package.json'))
  const ofPnpm = patternsOf(parsed(join(root, 'pnpm-workspace.yaml'))?.['packages'])
  const patterns = ofPnpm ?? patternsOf(manifest?.['workspaces'])
  if (patterns === undefined) return undefined
  const [, named, version] = /^([a-z]+)@([^+]+)/.exec(String(manifest?.['packageManager'])) ?? []
  const manager =
    ofPnpm === undefined ? (packageManagers.find((one) => one === named) ?? managerOfLock(root)) : 'pnpm'
  return {
    root,
    path,
    list: ofPnpm === undefined ? 'package.json' : 'pnpm-workspace.yaml',
    member: lists(patterns, path),
    manager,
    version: named === manager ? version : undefined,
  }
}

/**
 * The patterns for members; undefined if there are none. A list that has only the root, as a service with pnpm has, is not a
 * workspace.
 */
function patternsOf(value: unknown): string[] | undefined {
  const list: unknown = isObject(value) ? value['packages'] : value
  if (!Array.isArray(list)) return undefined
  const patterns = list
    .filter((one) => typeof one === 'string')
    .map((one) => one.replace(/^(!?)\.?\/|\/$/g, '$1'))
  return patterns.some((one) => !/^\.?$/.test(one)) ? patterns : undefined
}

/** As in npm and pnpm, a pattern with `!` excludes what an earlier pattern matched. */
function lists(patterns: readonly string[], path: string): boolean {
  let listed = false
  for (const pattern of patterns) {
    const not = pattern.startsWith('!')
    if (listed === not && minimatch(path, not ? pattern.slice(1) : pattern)) listed = !not
  }
  return listed
}

/**
 * The object in a JSON or YAML file; undefined if there is none, or if the file is missing or broken: then it lists no members.
 */
function parsed(path: string): Readonly<Record<string, unknown>> | undefined {
  if (!existsSync(path)) return undefined
  try {
    const text = readFileSync(path, 'utf8')
    const value: unknown = path.endsWith('.json') ? JSON.parse(text) : load(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
