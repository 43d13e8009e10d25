import { beforeAll, expect, test } from 'vitest'
import { another, sharedService, type RunningService } from '../support/service.ts'

const shared = sharedService({ probe: true })

beforeAll(async () => {
  await shared().sql('create table payments (id serial primary key, amount int not null)')
})

function pay({ url }: Pick<RunningService, 'url'>, key: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
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
