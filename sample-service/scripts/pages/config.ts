import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ignoreBrokenPipe } from '../broken-pipe.ts'
import { readFlags } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { root } from '../dev/service-process.ts'
import { keptUrl } from '../postgres/address.ts'
import { builtInFolder, givenUrl } from '../postgres/built-in.ts'
import { renderPages } from './config-pages.ts'
import { settings, type Setting } from './settings.ts'

/**
 * `npm run config [-- --json]` prints each variable with its value here and the source of the value; passwords are hidden.
 * Without DATABASE_URL, the value is the built-in PostgreSQL that `npm run dev` uses. If the service would refuse to start, it
 * prints every problem to stderr and exits with 1. `-- --write` writes the README's table and .env.example from
 * src/config.ts instead.
 */
async function main(): Promise<number> {
  const does =
    'prints each environment variable and its value here; --write writes the table of README.md and .env.example'
  const values = readFlags('config', does, {
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  })
  if (values.write) {
    for (const [path, text] of Object.entries(await renderPages())) await writeFile(join(root, path), text)
    console.log('README.md, .env.example')
    return 0
  }
  const env = readEnvironment()
  const builtIn = await builtInDatabase(env)
  const rows = settings({ ...env, ...builtIn }).map((setting) => ({
    variable: setting.name,
    value: setting.value ?? null,
    unit: setting.unit ?? null,
    from: Object.hasOwn(builtIn, setting.name) ? 'built-in PostgreSQL' : sourceOf(setting),
    allowed: setting.allowed,
    ...(setting.problem !== undefined && { problem: setting.problem }),
  }))
  console.log(values.json ? JSON.stringify(rows, undefined, 2) : table(rows))
  const problems = rows.flatMap(({ problem }) => problem ?? [])
  for (const problem of problems) console.error(problem)
  return problems.length === 0 ? 0 : 1
}

/** The variable that the scripts set themselves, except with NODE_ENV=production. Before the first start its port is unknown. */
async function builtInDatabase(env: NodeJS.ProcessEnv): Promise<{ DATABASE_URL?: string }> {
  if (givenUrl(env) !== undefined || env['NODE_ENV'] === 'production') return {}
  return { DATABASE_URL: (await keptUrl(builtInFolder)) ?? 'postgres://postgres@127.0.0.1/postgres' }
}

/** Only the scripts read `.env`; `npm start` and the image read the environment. */
function sourceOf({ name, given, required, ...setting }: Setting): string {
  if (!given) return setting.default === undefined ? (required ? 'missing' : 'not set') : 'default'
  // As in process.loadEnvFile, a variable of the environment overrides the file, even if it is empty.
  return process.env[name] === undefined ? '.env' : 'environment'
}

function table(rows: readonly Readonly<Record<string, string | null>>[]): string {
  const columns = ['variable', 'value', 'unit', 'from', 'allowed'] as const
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

ignoreBrokenPipe()
try {
  process.exitCode = await main()
} catch (error) {
  console.error(`config: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
