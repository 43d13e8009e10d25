import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, type TestContext } from 'vitest'
import { withTimeout } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { openDatabase } from '../../../../src/platform/database/database.ts'
import { createLog } from '../../../../src/platform/telemetry/log.ts'
import { observedDatabase } from '../../../support/database.ts'
import { recordedLog } from '../../support/recorded-log.ts'
import { certificate } from '../../support/certificate.ts'

test('a connection that cannot be made, as without the file of its certificate, costs no place of the pool', async (t) => {
  const { ctx, url, observer } = await observedDatabase(t)
  const file = await certificateFile(t)
  await writeFile(file, certificate)
  const own = `${url}?sslmode=disable&sslrootcert=${file}`
  const log = createLog({ level: 'silent', service: 'test' })
  const db = await openDatabase(ctx, log, { url: own, poolMax: 2, applicationName: 'subject' })
  t.onTestFinished(() => db.close(ctx))
  const call = () => db.run(ctx, (q) => q.execute('select 1'))
  await rm(file)
  // One call gets the connection that is open, and the pool makes another for the second.
  await Promise.allSettled([call(), call()])
  await observer.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'subject' and datname = current_database()`,
  )
  await expect.poll(() => db.stats().total).toBe(0)

  const failures = (await Promise.allSettled([call(), call(), call(), call()])).map((outcome) =>
    outcome.status === 'rejected' ? (outcome.reason as Error) : undefined,
  )

  expect(failures).toMatchObject(Array(4).fill({ message: 'the database does not answer', status: 503 }))
  await expect(db.ping(ctx)).rejects.toMatchObject({ status: 503 })
  await writeFile(file, certificate)
  await expect(call()).resolves.toBeDefined()
})

test('a start that waits for the database goes on when the file of its certificate disappears', async (t) => {
  const file = await certificateFile(t)
  await writeFile(file, certificate)
  const log = recordedLog()
  using ctx = withTimeout(testContext(t), 1_500)
  const url = `postgres://service@127.0.0.1:1/nowhere?sslrootcert=${file}`

  const opening = openDatabase(ctx, log, { url, poolMax: 1, applicationName: 'test' })
  rmSync(file)

  await expect(opening).rejects.toThrow(/^the database at 127.0.0.1:1\/nowhere does not answer: ENOENT/)
  expect(log.lines).toMatchObject([{ message: 'waiting for the database' }])
})

/** @returns the path of a file in a folder of the test */
async function certificateFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mainstem-certificate-'))
  t.onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'root.pem')
}
