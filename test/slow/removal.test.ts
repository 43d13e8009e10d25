/** `npm run add -- --remove --drop` removes every piece, byte for byte. test/add/remove.test.ts tests what it refuses. */
import { beforeAll, expect, test } from 'vitest'
import { add, emittedService, newService, withoutMigrations } from '../support/added-service.ts'
import { stamped } from '../support/every-piece.ts'

let emitted: string
beforeAll(() => {
  emitted = emittedService()
})

/** The pieces that these need. */
const before: Readonly<Record<string, readonly string[]>> = {
  'resource bill': ['resource', 'owner', '--fields', 'name:text unique'],
  'resource note': ['auth'],
  'upload pay-slip': ['auth'],
}

const titleOf = (args: readonly string[]): string => args.slice(0, 2).join(' ')

/** The piece and its noun. */
const nameOf = (args: readonly string[]): readonly string[] =>
  args.slice(0, args[1]?.startsWith('--') ? 1 : 2)

test.each(stamped.map((args) => [titleOf(args), args] as const))('%s', async (title, args) => {
  const service = newService(emitted)
  const needed = before[title]
  if (needed !== undefined) expect(await add(service, ...needed)).toMatchObject({ code: 0, err: '' })
  const tree = withoutMigrations(service)
  expect(await add(service, ...args)).toMatchObject({ code: 0, err: '' })
  expect(await add(service, '--remove', '--drop', ...nameOf(args))).toMatchObject({ code: 0, err: '' })
  expect(withoutMigrations(service)).toEqual(tree)
})

test('all of them, the last one first', async () => {
  const service = newService(emitted)
  const trees: ReturnType<typeof withoutMigrations>[] = []
  for (const args of stamped) {
    trees.push(withoutMigrations(service))
    expect(await add(service, ...args)).toMatchObject({ code: 0, err: '' })
  }
  for (const [index, args] of [...stamped.entries()].reverse()) {
    expect(await add(service, '--remove', '--drop', ...nameOf(args))).toMatchObject({ code: 0, err: '' })
    expect(withoutMigrations(service), titleOf(args)).toEqual(trees[index])
  }
})
