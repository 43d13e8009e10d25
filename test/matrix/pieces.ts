/** A piece to add, and a check that it works in a running service. */
export interface Added {
  readonly name: string
  /** The arguments behind `npm run add --`. */
  readonly args: readonly string[]
  /** Sends one request to each endpoint, or runs a piece without endpoints once. Without it, only the piece's tests run. */
  readonly ask?: (service: Running) => Promise<void>
}

/** A running service. */
export interface Running {
  readonly url: string
  /** Runs a statement on its database. */
  readonly sql: (text: string, values: unknown[]) => Promise<unknown>
  /** The first line of its log, past or future, with these values. */
  readonly line: (values: Readonly<Record<string, unknown>>) => Promise<unknown>
}

/** One of each piece. */
export const pieces: readonly Added[] = [
  {
    name: 'route',
    args: ['route', 'health-report', '--method', 'POST', '--path', '/reports/:id'],
    ask: async ({ url }) => {
      await expectStatus(200, `${url}/reports/7`, jsonOf({ text: 'abc' }))
    },
  },
  {
    name: 'resource',
    args: [
      ...['resource', 'invoice', '--fields'],
      'title:text, price:numeric(10,2), dueAt:timestamptz?, data:jsonb, parentId:uuid?->invoices',
    ],
    ask: async ({ url }) => {
      const fields = { title: 'a', price: '1.50', data: {} }
      const created = await expectStatus(201, `${url}/invoices`, jsonOf(fields))
      const { id } = (await created.json()) as { id: string }
      const place = `${url}/invoices/${id}`
      await expectStatus(200, `${url}/invoices`)
      await expectStatus(200, place)
      await expectStatus(200, place, jsonOf({ ...fields, parentId: id }, 'PUT', { 'if-match': '"1"' }))
      await expectStatus(204, place, { method: 'DELETE' })
    },
  },
  {
    name: 'upload',
    args: ['upload', 'price-list'],
    ask: async ({ url }) => {
      const body = new FormData()
      body.append('priceList', new Blob(['abc']), 'a.txt')
      const created = await expectStatus(201, `${url}/price-lists`, { method: 'POST', body })
      const { priceLists } = (await created.json()) as { priceLists: { id: string }[] }
      const place = `${url}/price-lists/${priceLists[0]?.id ?? ''}`
      await expectStatus(200, `${url}/price-lists`)
      await expectStatus(200, place)
      await expectStatus(200, `${place}/content`)
      await expectStatus(204, place, { method: 'DELETE' })
    },
  },
  {
    name: 'job',
    args: ['job', 'send-invoice'],
    ask: async ({ sql, line }) => {
      await sql('select graphile_worker.add_job($1, $2::json)', ['sendInvoice', '{"input":{"text":"abc"}}'])
      await line({ msg: 'job', job: 'sendInvoice', outcome: 'done' })
    },
  },
  {
    name: 'schedule',
    args: ['schedule', 'nightly-report', '--cron', '5 3 * * 1'],
    ask: async ({ sql, line }) => {
      const payload = JSON.stringify({ _cron: { ts: '2000-01-01T03:05:00.000Z', backfilled: false } })
      await sql('select graphile_worker.add_job($1, $2::json)', ['nightlyReport', payload])
      await line({ msg: 'job', job: 'nightlyReport', outcome: 'done' })
    },
  },
  {
    name: 'events',
    args: ['events', 'order-status'],
    ask: async ({ url }) => {
      const response = await expectStatus(200, `${url}/order-status/events`)
      await response.body?.cancel()
    },
  },
  {
    name: 'client',
    args: ['client', 'payments', '--base-url', 'http://127.0.0.1:9'],
  },
  {
    name: 'idempotency',
    args: ['idempotency'],
  },
  {
    name: 'auth',
    args: ['auth'],
  },
  {
    name: 'rate-limit',
    args: ['rate-limit', '--requests', '100000'],
  },
  {
    name: 'storage',
    args: ['storage', 's3'],
  },
  {
    name: 'publisher',
    args: ['publisher', 'invoice-paid'],
    ask: async ({ url }) => {
      await expectStatus(200, `${url}/asyncapi.json`)
    },
  },
  {
    name: 'consumer',
    args: ['consumer', 'order-placed'],
  },
]

/** Every piece alone, every pair, all of them, and all of them in the other order. */
export function combinations(): (readonly Added[])[] {
  const pairs = pieces.flatMap((one, index) => pieces.slice(index + 1).map((other) => [one, other]))
  return [[], ...pieces.map((one) => [one]), ...pairs, [...pieces], [...pieces].reverse()]
}

export function nameOf(combination: readonly Added[]): string {
  return combination.length === 0 ? 'nothing' : combination.map(({ name }) => name).join('+')
}

async function expectStatus(status: number, url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, init)
  if (response.status === status) return response
  throw new Error(
    `${init.method ?? 'GET'} ${url}: ${response.status}, not ${status}: ${await response.text()}`,
  )
}

function jsonOf(body: object, method = 'POST', headers: Record<string, string> = {}): RequestInit {
  return { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }
}
