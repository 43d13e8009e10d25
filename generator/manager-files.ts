import type { Manager, Other } from './manager.ts'
import type { PackageManager } from './package-manager.ts'
import { textFile, type Plan, type PlannedFile } from './tree.ts'

/**
 * Adapts the skeleton's `plan` to a package manager: adds its `files`, merges its package.json into the skeleton's, and writes
 * its installed version and its commands. The skeleton itself is npm's.
 */
export function withManager(plan: Plan, manager: Manager, files: Plan): Map<string, PlannedFile> {
  const all = new Map(plan)
  if (manager.name === 'npm') return all
  for (const [path, file] of withVersion(files, manager, files)) all.set(path, file)
  // pnpm has a list of its own; Yarn and Bun run no script of a dependency and do not warn.
  const skeleton = jsonOf(plan, 'package.json')
  delete skeleton['allowScripts']
  const scripts = { ...(skeleton['scripts'] as object), update: words[manager.name].update }
  const manifest = { ...skeleton, scripts, ...jsonOf(all, 'package.json') }
  all.set('package.json', textFile(`${JSON.stringify(manifest, null, 2)}\n`))
  for (const [path, file] of plan) {
    if (isPage(path))
      all.set(
        path,
        edited(file, (text) => inWordsOf(manager.name, text)),
      )
  }
  return all
}

/** Replaces, in `files`, the version that `ofTheManager` (the manager's own files) names by that of `manager`. */
export function withVersion(files: Plan, manager: Manager, ofTheManager: Plan): Plan {
  if (manager.name === 'npm') return files
  const [, placeholder = ''] = String(jsonOf(ofTheManager, 'package.json')['packageManager']).split('@')
  const versioned = (text: string): string => text.replaceAll(placeholder, () => manager.version)
  return new Map([...files].map(([path, file]) => [path, edited(file, versioned)]))
}

/** A page whose commands people and coding agents type. `npm run guarantees` writes docs/guarantees.md itself. */
function isPage(path: string): boolean {
  return path.endsWith('.md') && path !== 'docs/guarantees.md' && !path.startsWith('generators/')
}

const words: Record<Other, { title: string; test: string; exec: string; update: string }> = {
  pnpm: { title: 'pnpm', test: 'pnpm test', exec: 'pnpm exec', update: 'pnpm create mainstem@latest update' },
  yarn: {
    title: 'Yarn',
    test: 'yarn test',
    exec: 'yarn exec',
    update: 'yarn dlx create-mainstem@latest update',
  },
  bun: {
    title: 'Bun',
    // `bun test` is Bun's own test runner.
    test: 'bun run test',
    exec: 'bunx',
    update: 'bun create mainstem@latest update',
  },
}

/** Rewrites npm's command lines in a sentence as those of `manager`. */
export function commandsOf(manager: PackageManager): (sentence: string) => string {
  return manager === 'npm' ? (sentence) => sentence : (sentence) => rewritten(manager, sentence)
}

/**
 * Rewrites npm's command lines in Markdown as those of another manager, which needs no `--` before the arguments of a script. A
 * comment after a command keeps its column where there is room. Text between the marks of a script of the service stays
 * unchanged.
 */
export function inWordsOf(manager: Other, markdown: string): string {
  return markdown
    .split(/(<!-- npm run .*?<!-- end -->)/s)
    .map((part) =>
      part.startsWith('<!-- npm run ') ? part : part.replace(/.+/g, (line) => inWords(manager, line)),
    )
    .join('')
}

function inWords(manager: Other, line: string): string {
  const [, command = line, gap = '', comment = ''] = /^(np[mx] .*?)( {2,})(#.*)$/.exec(line) ?? []
  const said = rewritten(manager, command)
  if (comment === '') return said
  return `${said.padEnd(command.length + gap.length - 2)}  ${rewritten(manager, comment)}`
}

function rewritten(manager: Other, text: string): string {
  const { title, test, exec } = words[manager]
  return (
    text
      .replace(/\bnpm test\b( --(?= ))?/g, test)
      .replace(/\bnpm start\b/g, `${manager} run start`)
      // Yarn prints nothing of its own before a script.
      .replace(/\bnpm run --silent\b/g, manager === 'yarn' ? 'yarn run' : `${manager} run --silent`)
      .replace(/\bnpm run ([\w:]+)( --(?= ))?/g, `${manager} run $1`)
      .replace(/\bnpm install\b/g, `${manager} install`)
      .replace(/\bnpx /g, `${exec} `)
      .replace(/(Node ≥ [\d.]+ and) npm\b/g, `$1 ${title}`)
  )
}

function edited(file: PlannedFile, edit: (text: string) => string): PlannedFile {
  return { ...file, bytes: Buffer.from(edit(file.bytes.toString('utf8'))) }
}

function jsonOf(files: Plan, path: string): Record<string, unknown> {
  return JSON.parse(files.get(path)?.bytes.toString('utf8') ?? '{}') as Record<string, unknown>
}
