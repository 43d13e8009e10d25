/**
 * `npm run matrix [-- --only route,job+schedule] [--base <folder>]`: every piece of `npm run add` alone, every pair, all of them
 * in both orders, each twice, in a created service outside of this repository, whose dependencies are installed once: format,
 * types, lint without a warning, migrations on a real Postgres, the tests that were stamped, build, boot, a request for each
 * endpoint, SIGTERM. Prints a line for each combination; exits with 1 if one fails. With `--base` the service that is copied is
 * kept there for the next run.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { broker } from '../../templates/service/generators/pieces/broker/piece.ts'
import { circuit } from '../../templates/service/generators/pieces/circuit/piece.ts'
import { storage } from '../../templates/service/generators/pieces/storage/piece.ts'
import { worker } from '../../templates/service/generators/pieces/worker/piece.ts'
import { readFlags } from '../../templates/service/scripts/command-line.ts'
import { makeDatabase, temporaryServer } from '../../templates/service/scripts/postgres/databases.ts'
import { combinations, nameOf, type Added } from './pieces.ts'
import { check, copyOf, type Taken } from './steps.ts'

const values = readFlags('matrix', 'adds every piece, every pair and all of them, and tests each service', {
  only: { type: 'string' },
  base: { type: 'string' },
})
const repository = join(import.meta.dirname, '../..')

process.exitCode = await main()

async function main(): Promise<number> {
  const chosen = choose(values.only)
  const scratch = await mkdtemp(join(tmpdir(), 'mainstem-matrix-'))
  const server = await temporaryServer()
  let red = 0
  try {
    const base = values.base ?? join(scratch, 'base')
    if (!existsSync(base)) create(base)
    console.log(`${'combination'.padEnd(34)}${'seconds'.padStart(8)}  steps`)
    for (const combination of chosen) {
      if (!(await tryOne(combination, base, join(scratch, nameOf(combination)), server.url))) red++
    }
  } finally {
    await server.stop()
    await rm(scratch, { recursive: true, force: true })
  }
  console.log(`\n${chosen.length - red} green, ${red} red`)
  return red === 0 ? 0 : 1
}

/** The combinations of these names, such as `job+client`; all of them if none is given. */
function choose(only: string | undefined): (readonly Added[])[] {
  if (only === undefined) return combinations()
  return only.split(',').map((name) => {
    const found = combinations().find((one) => nameOf(one) === name)
    if (found !== undefined) return found
    throw new Error(`There is no combination ${name}: choose from ${combinations().map(nameOf).join(', ')}.`)
  })
}

/** A created service, with the dependencies of all pieces beside its own. */
function create(base: string): void {
  const dependencies = [broker, circuit, storage, worker].flatMap(({ dependencies = {} }) =>
    Object.entries(dependencies).map(([name, range]) => `${name}@${range}`),
  )
  for (const [cwd, ...command] of [
    [repository, 'npx', 'tsx', 'generator/main.ts', base, '--yes', '--no-git'],
    [base, 'npm', 'install', '--no-save', '--include=dev', '--no-audit', '--no-fund', ...dependencies],
  ]) {
    const [program = '', ...args] = command
    const { status } = spawnSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) throw new Error(`${command.join(' ')}: exit code ${status ?? 'none'}`)
  }
}

/** Runs a combination and prints its line. @returns whether it is green */
async function tryOne(
  combination: readonly Added[],
  base: string,
  service: string,
  serverUrl: string,
): Promise<boolean> {
  const taken: Taken[] = []
  const database = await makeDatabase(serverUrl)
  let failure: string | undefined
  try {
    await copyOf(base, service)
    await check(service, combination, database.url, (one) => taken.push(one))
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error)
  } finally {
    await database.drop()
    await rm(service, { recursive: true, force: true })
  }
  const seconds = taken.reduce((sum, one) => sum + one.seconds, 0)
  const steps = taken.map((one) => `${one.step} ${one.seconds.toFixed(1)}`).join(', ')
  console.log(
    `${nameOf(combination).padEnd(34)}${seconds.toFixed(1).padStart(8)}  ${failure === undefined ? 'green' : 'RED'}: ${steps}`,
  )
  if (failure !== undefined) console.error(failure)
  return failure === undefined
}
