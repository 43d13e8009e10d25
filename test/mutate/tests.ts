import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { throwIfEnded } from '../../generator/ended.ts'
import { afterFunc, withTimeout, type Context } from '../../templates/service/src/context/context.ts'

/** The tests of a service, run on what lies in its folder. */
export interface Tests {
  /** The test files that a change to `file` should be seen by, the quickest first. */
  for(file: string): Promise<readonly (readonly string[])[]>
  /** The first test of `files` that fails, or undefined if all pass. */
  failureIn(ctx: Context, files: readonly string[]): Promise<string | undefined>
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** A run that takes longer has found a mutant that hangs. */
const limitMs = 240_000

/** @param databaseUrl a server on which the tests make databases: starting one for each run would take most of the time */
export function openTests(directory: string, databaseUrl: string): Tests {
  const reportPath = join(directory, '.mutate-report.json')

  async function run(ctx: Context, files: readonly string[]): Promise<string | undefined> {
    await rm(reportPath, { force: true })
    using limited = withTimeout(ctx, limitMs)
    const program = join(directory, 'node_modules/vitest/vitest.mjs')
    const args = ['run', '--bail=1', '--reporter=json', `--outputFile=${reportPath}`, ...files]
    const child = spawn(process.execPath, [program, ...args], {
      cwd: directory,
      env: { ...process.env, TEST_DATABASE_URL: databaseUrl },
      stdio: 'ignore',
      // A group of its own: what its tests started ends with it.
      detached: true,
    })
    const stop = afterFunc(limited, () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    })
    const [code] = (await once(child, 'close')) as [number | null]
    stop()
    throwIfEnded(ctx)
    if (limited.err !== undefined) return `not done after ${limitMs / 1_000} s: ${files.join(' ')}`
    if (code === 0) return undefined
    if (!existsSync(reportPath)) return `vitest ended with ${code}: ${files.join(' ')}`
    return failureOf(JSON.parse(await readFile(reportPath, 'utf8')) as Report)
  }

  return {
    async for(file) {
      const all = (await readdir(directory, { recursive: true })).filter(
        (path) => /^(src|test)\//.test(path) && path.endsWith('.test.ts'),
      )
      const own = join(dirname(file), basename(file, '.ts'))
      const near = all.filter((path) => path.startsWith(`${own}.`))
      const room = all.filter((path) => dirname(path) === dirname(file) && !near.includes(path))
      const rest = all.filter((path) => !near.includes(path) && !room.includes(path) && isBroad(path))
      return [near, room, rest].filter(({ length }) => length > 0)
    },

    async failureIn(ctx, files) {
      const failure = await run(ctx, files)
      if (failure === undefined) return undefined
      // On a busy machine a test may fail by itself: only one that fails again has seen the mutant.
      const failed = files.filter((file) => failure.includes(file))
      return run(ctx, failed.length > 0 ? failed : files)
    },
  }
}

/** Tests that start the whole service, and so see every file of it. */
function isBroad(path: string): boolean {
  return path.startsWith('test/guarantees/') || /^src\/(?!context|platform)/.test(path)
}

function failureOf({ testResults }: Report): string {
  const failed = testResults.find(({ status }) => status !== 'passed')
  if (failed === undefined) return 'vitest failed outside of the tests'
  const test = failed.assertionResults.find(({ status }) => status === 'failed')
  const file = failed.name.replace(/^.*?\/((?:src|test)\/)/, '$1')
  return `${file}: ${test?.fullName ?? failed.message.split('\n')[0] ?? 'did not load'}`
}
