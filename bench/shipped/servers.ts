import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import pg from 'pg'
import { rolldown } from 'rolldown'
import { joining } from '../../templates/service/rolldown.config.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import type { Served } from '../http/run.ts'
import { build, installTogether, type Build } from '../support/cache.ts'
import type { Subject } from './catalogue.ts'
import { poolMax, setUp } from './subjects/items.ts'
import { packages } from './subjects/stock.ts'

/** What the measured servers need. */
export interface Surroundings {
  readonly ours: Build
  /** Undefined if its packages could not be installed. */
  readonly stock: Build | undefined
  readonly databaseUrl: string
  /** Where traces are sent. */
  readonly sink: string
}

const service = 'templates/service'
const main = `${service}/src/main.ts`
const subjects = 'bench/shipped/subjects'
const listening = "log.info(ctx, 'listening'"

/** Compiles bare Hono, and builds the service of templates/service with the bench's routes as well, and its port on stdout. */
export async function buildOurs(): Promise<Build> {
  const built = await build(
    [],
    [subjects, 'bench/tracing/sink.ts', 'bench/hang-up/load.ts', `${service}/src`],
    (text, source) => {
      if (source === main) return text.replace(listening, `console.log(server.port)\n${listening}`)
      if (source !== `${service}/src/routes.ts`) return text
      const imported = "import { measured } from '../../../bench/shipped/subjects/service-routes.ts'\n"
      return (
        imported +
        text.replace('[...healthRoutes(platform)', '[...measured(platform), ...healthRoutes(platform)')
      )
    },
  )
  for (const copied of ['drizzle', 'package.json', 'src/browser']) {
    const from = fileURLToPath(new URL(`../../${service}/${copied}`, import.meta.url))
    await cp(from, join(built.folder, service, copied), { recursive: true })
  }
  const { output, ...input } = joining(built.folder, join(built.folder, service, 'src'))
  await using bundle = await rolldown(input)
  await bundle.write([output].flat()[0])
  return built
}

/** Compiles the stock servers beside their packages; undefined if those could not be installed. */
export async function buildStock(ctx: Context): Promise<Build | undefined> {
  const installed = await installTogether(ctx, 'shipped-stock', packages)
  if ('missing' in installed) return undefined
  const peers = Object.keys(packages).map((name) => ({ name, folder: join(installed.folder, name) }))
  return build(peers, [subjects])
}

/** How `subject` is started. */
export function serverOf(
  { program, stock, env }: Pick<Subject, 'program' | 'stock' | 'env'>,
  { ours, stock: built, databaseUrl, sink }: Surroundings,
): Served | { readonly missing: string } {
  const environment = { DATABASE_URL: databaseUrl, ...env(sink) }
  const source = `${subjects}/${program}.ts`
  if (stock === true) {
    if (built === undefined) return { missing: 'its packages could not be installed' }
    const hook = pathToFileURL(built.compiled(`${subjects}/instrument.ts`)).href
    return { program: process.execPath, args: ['--import', hook, built.compiled(source)], env: environment }
  }
  if (program !== 'service')
    return { program: process.execPath, args: [ours.compiled(source)], env: environment }
  return {
    program: process.execPath,
    args: [ours.compiled(main)],
    env: {
      DATABASE_POOL_MAX: String(poolMax),
      PORT: '0',
      ADMIN_PORT: '0',
      UPLOAD_DIR: join(ours.folder, 'uploads'),
      ...environment,
    },
  }
}

/** Makes the table of the measured SELECT. */
export async function makeItems(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(setUp)
  } finally {
    await client.end()
  }
}
