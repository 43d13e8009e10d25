import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { stampNames, type Noun } from '../../templates/service/generators/engine/names.ts'
import { nounFrom } from '../../templates/service/generators/engine/nouns.ts'
import { Plan } from '../../templates/service/generators/engine/plan.ts'
import { fieldsFrom } from '../../templates/service/generators/pieces/resource/fields.ts'
import { rows } from '../../templates/service/generators/pieces/rows/piece.ts'
import { resource } from '../../templates/service/generators/pieces/resource/piece.ts'
import { stamp, stampMissing } from '../../templates/service/generators/engine/stamp.ts'
import { wire } from '../../templates/service/generators/edit/wire.ts'
import { writeChanges } from '../../templates/service/generators/engine/write.ts'
import { temporaryServer, makeDatabase } from '../../templates/service/scripts/postgres/databases.ts'
import { joinPrograms } from '../../templates/service/test/programs.ts'
import { newService, runAll } from '../support/added-service.ts'
import { listOf, resources, type RandomField, type RandomResource } from '../support/random-resources.ts'

/**
 * For a long run: `RESOURCES=200 npx vitest run --config vitest.slow.config.ts test/slow/property.test.ts`; with
 * SEED, the one that failed.
 */
const wanted = Number(process.env['RESOURCES'] ?? 6)
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const valuesOfEach = 8

interface Added {
  readonly noun: Noun
  readonly fields: readonly RandomField[]
  readonly parent: Noun | undefined
}

test(
  `random nouns and fields give code that compiles, and tables that keep what clients send (SEED=${seed})`,
  { timeout: 3_600_000 },
  async () => {
    const service = newService()
    const added: Added[] = []
    for (const random of fc.sample(resources, { seed, numRuns: wanted * 10 })) {
      if (added.length === wanted) break
      const one = await addTo(service, random, added)
      if (one !== undefined) added.push(one)
    }
    expect(added).toHaveLength(wanted)

    compile(service, added)
    // drizzle-kit writes it in place, and it is a link to a copy that others use.
    const journal = join(service, 'drizzle/meta/_journal.json')
    const text = readFileSync(journal)
    rmSync(journal)
    writeFileSync(journal, text)
    runAll(service, [['drizzle-kit/bin.cjs', 'generate', '--name', 'all']])
    const url = await startService(service)
    expect((await send('GET', `${url}/openapi.json`)).status).toBe(200)
    const ids = new Map<Noun, string>()
    for (const one of added) ids.set(one.noun, await roundTrip(url, one, ids))
  },
)

/** Adds the resource as the command does, without the migration; undefined if the command refuses it, in one sentence. */
async function addTo(
  service: string,
  random: RandomResource,
  added: readonly Added[],
): Promise<Added | undefined> {
  const parent = added.length % 3 === 2 ? added.at(-1)?.noun : undefined
  try {
    const noun = nounFrom(random.word)
    if (added.some((one) => one.noun.plural === noun.plural || one.noun.singular === noun.singular))
      return undefined
    const plan = new Plan(service)
    const list = listOf(random, parent)
    await stampMissing(plan, rows)
    await stamp(plan, resource, noun, { fields: list })
    for (const wiring of resource.wirings ?? []) {
      const [call, from] = [stampNames(wiring.call, noun), stampNames(wiring.from, noun)]
      await wire(plan, { ...wiring, call, from })
    }
    writeChanges(service, plan.changes())
    const names = fieldsFrom(list).map(({ name }) => name)
    const fields = random.fields.map((field, index) => ({ ...field, name: names[index] ?? '' }))
    return { noun, fields, parent }
  } catch (error) {
    // A bug of the command throws another error.
    expect(error, `SEED=${seed}: ${random.word}: ${listOf(random, parent)}`).toMatchObject({
      name: 'Error',
      message: expect.stringMatching(/^[^\n]*\.$/) as unknown,
    })
    return undefined
  }
}

/** Type-checks all resources and their tests in one program. */
function compile(service: string, added: readonly Added[]): void {
  const config = {
    extends: './tsconfig.json',
    include: ['src/routes.ts', 'test/global-setup.ts', ...added.map(({ noun }) => `src/${noun.plural}`)],
    exclude: [],
  }
  writeFileSync(join(service, 'tsconfig.property.json'), JSON.stringify(config))
  runAll(service, [['typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.property.json']])
}

/** Runs the service on a migrated database until the test ends. @returns its URL */
async function startService(service: string): Promise<string> {
  const server = await temporaryServer()
  onTestFinished(() => server.stop())
  const { url } = await makeDatabase(server.url)
  runAll(service, [['tsx/dist/cli.mjs', 'src/migrate.ts']], { DATABASE_URL: url })
  // The service's own copy of the helper starts the service beside it.
  const { startProcess } = (await import(join(service, 'test/support/service.ts'))) as Starter
  const { folder: programs } = await joinPrograms(service)
  const started = startProcess({ onTestFinished }, { programs, env: { DATABASE_URL: url } })
  const { port } = await started.line(({ msg }) => msg === 'listening')
  return `http://127.0.0.1:${String(port)}`
}

type Starter = typeof import('../../templates/service/test/support/service.ts')

/**
 * Sends random values: an accepted value reads as it was sent, and any other is refused by its field.
 * @returns the id of an accepted row
 */
async function roundTrip(
  url: string,
  { noun, fields, parent }: Added,
  ids: ReadonlyMap<Noun, string>,
): Promise<string> {
  const place = `${url}/${noun.plural}`
  const reference = parent === undefined ? {} : { parentRef: ids.get(parent) }
  const bodies = fc.record(
    Object.fromEntries(
      fields.map(({ name, type, nullable }) => [name, nullable ? fc.option(type.values) : type.values]),
    ),
  )
  let taken = ''
  let left = 200
  for (let n = 0; n < valuesOfEach && left > 0; left--) {
    const [body = {}] = fc.sample(bodies, { seed: seed + left, numRuns: 1 }) as Record<string, unknown>[]
    const told = `SEED=${seed}: ${JSON.stringify(noun)} ${JSON.stringify(body)}`
    const created = await send('POST', place, { ...body, ...reference })
    if (created.status === 400) {
      const { errors, detail } = created.json as { errors?: { field: string }[]; detail: string }
      // Half a surrogate pair is not text: the service refuses the body before it looks at any field.
      if (errors === undefined) expect(detail, told).toContain('half a surrogate pair')
      for (const { field } of errors ?? [])
        expect(
          fields.map(({ name }) => name),
          told,
        ).toContain(field.split('.')[1])
      continue
    }
    if (created.status === 409) {
      // Another row already has the value.
      const { errors } = created.json as { errors: { field: string }[] }
      const unique = fields.filter(({ option }) => option === ' unique').map(({ name }) => `body.${name}`)
      for (const { field } of errors) expect(unique, told).toContain(field)
      continue
    }
    n++
    expect([created.status, created.json], told).toMatchObject([201, {}])
    taken = String(created.json['id'])
    // A value of a unique field would be refused first.
    if (parent !== undefined && n === 1 && fields.every(({ option }) => option !== ' unique')) {
      const nobody = await send('POST', place, { ...body, parentRef: randomUUID() })
      expect(nobody, told).toMatchObject({ status: 400, json: { errors: [{ field: 'body.parentRef' }] } })
    }
    const found = await send('GET', `${place}/${taken}`)
    for (const json of [created.json, found.json]) {
      for (const { name, type } of fields) {
        const [shown, sent] = [json[name], body[name]]
        if (sent === null || type.same === undefined) expect(shown, `${told} ${name}`).toEqual(sent)
        else expect(type.same(shown, sent), `${told} ${name}: ${JSON.stringify(shown)}`).toBe(true)
      }
      expect(json).toMatchObject(reference)
    }
  }
  expect(taken, `SEED=${seed}: nothing is taken by ${noun.plural}`).not.toBe('')
  return taken
}

async function send(method: string, url: string, body?: object) {
  const response = await fetch(url, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, json: (await response.json()) as Record<string, unknown> }
}
