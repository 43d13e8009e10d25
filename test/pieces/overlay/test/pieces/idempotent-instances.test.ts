import { randomBytes } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { scopeOf } from '../../src/platform/idempotency/key.ts'
import { startProxy, type Link } from '../proofs/support/proxy.ts'
import { eventually } from '../support/client.ts'
import { another, sharedService, startService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

beforeAll(async () => {
  await shared().sql('create table payments (id serial primary key, amount int not null)')
})

function pay(
  { url }: Pick<RunningService, 'url'>,
  key: string,
  body: object,
  more: Record<string, string> = {},
): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key, ...more }
  return fetch(`${url}/probe/payments`, { method: 'POST', body: JSON.stringify(body), headers })
}

test('of many requests to two instances at once, one is done, and each repeat gets its answer', async (t) => {
  const second = another(t, shared(), { probe: true })
  const { port } = await second.line(({ msg }) => msg === 'listening')
  const instances = [shared(), { url: `http://127.0.0.1:${String(port)}` }]
  for (let round = 0; round < 20; round++) {
    const body = { amount: 100 + round }
    const at = (i: number) => pay(instances[i % 2] ?? shared(), `both-${round}`, body)
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => at(i)))

    const done = answers.filter(({ status }) => status === 201)
    expect(answers.filter(({ status }) => status !== 201 && status !== 409)).toEqual([])
    const bodies = await Promise.all([...done, await at(0), await at(1)].map((answer) => answer.text()))
    expect(new Set(bodies).size).toBe(1)
    expect(await shared().sql('select from payments where amount = $1', [100 + round])).toHaveLength(1)
  }
})

test('the keys of a principal with a name of 10,000 bytes are its own, and a repeat gets the same answer', async () => {
  const long = randomBytes(5_000).toString('hex')
  const ask = async (principal: string) => {
    const answer = await pay(shared(), 'long', { amount: 40_000 }, { 'x-principal': principal })
    return [answer.status, await answer.text()]
  }

  const [first, repeated, other] = [await ask(long), await ask(long), await ask(`${long}c`)]

  expect([first[0], other[0]]).toEqual([201, 201])
  expect(repeated).toEqual(first)
  expect(other).not.toEqual(first)
})

test('a principal with a character that Postgres cannot store has keys, and no other principal has the same', () => {
  expect(['ann', 'a\0b', 'a\0c', 'x'.repeat(127)].map(scopeOf)).toEqual([
    'ann',
    expect.stringMatching(/^[\da-f]{128}$/),
    expect.stringMatching(/^[\da-f]{128}$/),
    'x'.repeat(127),
  ])
  expect(scopeOf(scopeOf('a\0b'))).not.toBe(scopeOf('a\0b'))
  expect(scopeOf('a\0b')).not.toBe(scopeOf('a\0c'))
})

test.for(['before Postgres saw it', 'after Postgres did it'])(
  'a connection lost during COMMIT, %s: 503 with Retry-After, and the repeat gets one row',
  async (when, t) => {
    const proxy = await startProxy(t, shared().databaseUrl)
    const service = await startService(t, { probe: true, env: { DATABASE_URL: proxy.url } })
    const before = when.startsWith('before')
    const [key, amount] = before ? ['unseen', 31_001] : ['committed', 31_002]
    let committing: Link | undefined
    proxy.toServer = (link, bytes) => {
      if (bytes.includes('insert into "idempotency_keys"')) committing = link
      if (link !== committing || !bytes.includes('COMMIT')) return undefined
      if (before) link.cut()
      proxy.toClient = (other) => {
        if (other === link) link.cut()
        return undefined
      }
      return undefined
    }

    const lost = await pay(service, key, { amount })

    expect([lost.status, lost.headers.get('retry-after')]).toEqual([503, '1'])
    proxy.toServer = proxy.toClient = () => undefined
    await eventually(async () => (await pay(service, key, { amount })).status === 201)
    expect(await shared().sql('select from payments where amount = $1', [amount])).toHaveLength(1)
    const metrics = await (await fetch(`${service.adminUrl}/metrics`)).text()
    const outcome = before ? 'done' : 'repeated'
    expect(metrics).toMatch(
      new RegExp(`^idempotency_requests_total\\{idempotency_outcome="${outcome}"\\} 1$`, 'm'),
    )
    expect(metrics.match(/^idempotency_requests_total/gm)).toHaveLength(1)
  },
)
