/** A name server that never answers: a thread of the process waits for it, and is not waited for. */
import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { temporaryFolder } from './support/daemon.ts'
import { startProgram, type Started } from './support/service.ts'

/** Only root may give a process a resolv.conf of its own, and listen on port 53. */
const able = spawnSync('unshare', ['-m', 'true']).status === 0
if (!able) process.stderr.write('test/surroundings/silent-dns.test.ts needs root and unshare (util-linux)\n')

const address = '127.0.0.77'

describe.skipIf(!able)('while the name server does not answer', () => {
  let server: Socket
  beforeAll(async () => {
    server = createSocket('udp4')
    await once(server.bind(53, address), 'listening')
  })
  afterAll(() => void server.close())

  it.for(['main', 'migrate'] as const)(
    '%s ends in time, and one line gives the reason',
    async (program, t) => {
      const service = await startWithout(t, program, { STARTUP_TIMEOUT_MS: '3000' })

      const line = await service.line(({ level }) => level === 'fatal')
      expect(line.msg).toMatch(
        /the database at db\.example:5432\/x does not answer: it took longer than 3000 ms/,
      )
      await expectEnd(service, 1)
    },
  )

  it('a signal ends the start at once', async (t) => {
    const service = await startWithout(t, 'main', {})
    await service.line(({ msg }) => msg === 'waiting for the database')

    service.child.kill('SIGTERM')

    await service.line(({ msg }) => msg === 'start-up failed: SIGTERM received')
    await expectEnd(service, 1)
  })
})

/** The lookup takes a minute. */
async function startWithout(
  t: TestContext,
  program: 'main' | 'migrate',
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const folder = await temporaryFolder(t, 'dns')
  const file = join(folder, 'resolv.conf')
  await writeFile(file, `nameserver ${address}\noptions timeout:30 attempts:2\n`)
  const mounted = `mount --bind ${file} /etc/resolv.conf && exec "$0" "$@"`
  const own = { DATABASE_URL: 'postgres://user@db.example:5432/x', UPLOAD_DIR: folder }
  return startProgram(t, program, {
    env: { ...own, ...env },
    through: ['unshare', '-m', 'sh', '-c', mounted],
  })
}

async function expectEnd({ exited }: Started, code: number): Promise<void> {
  const at = performance.now()
  // Before Node 22.15 the process has to kill itself, and the code is lost.
  expect(await exited).toBe('execve' in process ? code : null)
  expect(performance.now() - at).toBeLessThan(5_000)
}
