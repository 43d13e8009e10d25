/** For every piece: an old service that was extended and updated equals a new service that was extended. */
import { expect, test } from 'vitest'
import { addEveryPiece } from '../support/every-piece.ts'
import { commit, created, filesOf, packageOf, resultOf, templatesOf, update } from '../support/versions.ts'

/** The drizzle/ folder holds times and random ids, and update never touches it. */
async function grown(from: string): Promise<string> {
  const service = created(from)
  await addEveryPiece(service)
  commit(service)
  return service
}

function withoutMigrations(service: string): Record<string, string> {
  return Object.fromEntries(Object.entries(filesOf(service)).filter(([path]) => !path.startsWith('drizzle/')))
}

test('byte for byte, with a change in each file that a piece stamps', { timeout: 1_800_000 }, async () => {
  const stamped = templatesOf().filter((path) =>
    /^service\/generators\/pieces\/[^/]+\/(?:[\w-]+\/)?(?:src|test)\/.*\.ts$/.test(path.path),
  )
  expect(stamped.length).toBeGreaterThan(50)
  const older = packageOf('0.3.0')
  const newer = packageOf(
    '0.5.0',
    Object.fromEntries(stamped.map(({ path, text }) => [path, `${text}// 0.5.0\n`])),
  )
  const service = await grown(older)
  const updated = update(newer, service, ['--json', '--no-install'])
  expect(resultOf(updated).notes.filter((note) => note.startsWith('skipped'))).toEqual([])
  expect(resultOf(updated).files.filter(({ change }) => change === 'conflict')).toEqual([])
  expect(updated.code).toBe(0)
  expect(withoutMigrations(service)).toEqual(withoutMigrations(await grown(newer)))
})
