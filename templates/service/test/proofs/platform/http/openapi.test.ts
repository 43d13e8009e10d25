import { readFile } from 'node:fs/promises'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test, type TestContext } from 'vitest'
import { z } from 'zod'
import { testContext } from '../../../../src/context/test-context.ts'
import { documentationRoutes, documented, openApiDocument } from '../../../../src/platform/http/openapi.ts'
import { route, type Route, type StreamedResponse } from '../../../../src/platform/http/route.ts'

const info = { title: 'shop', version: '1.2.3' }
const Item = z.object({ id: z.uuid(), name: z.string() })
const answered = { 200: { description: 'Here it is', body: Item } }
const handle = (): Response => new Response()

const routes: Route[] = [
  route({
    method: 'GET',
    path: '/items/:id',
    summary: 'One item',
    tags: ['items'],
    params: z.object({ id: z.uuid() }),
    query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) }),
    responses: { ...answered, 404: { description: 'There is no such item' } },
    handle,
  }),
  route({
    method: 'PUT',
    path: '/items/:id',
    summary: 'Changes one',
    tags: ['items'],
    params: z.object({ id: z.uuid() }),
    body: Item.omit({ id: true }),
    responses: { 204: { description: 'Done' } },
    handle,
  }),
  route({
    method: 'POST',
    path: '/items',
    summary: 'Takes files',
    tags: ['items'],
    files: 'item',
    responses: { 201: { description: 'Kept', body: z.object({ items: z.array(Item) }) } },
    handle,
  }),
  route({
    method: 'GET',
    path: '/items/:id/content',
    summary: 'Its bytes',
    tags: ['items'],
    responses: { 200: { description: 'The bytes', contentType: 'application/octet-stream' } },
    handle,
  }),
]

interface Operation {
  readonly operationId: string
  readonly parameters?: unknown[]
  readonly requestBody?: unknown
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema?: unknown }> }>>
}

function operationOf(path: string, method: string, served: readonly Route[] = routes): Operation {
  const { paths } = openApiDocument(served, info) as { paths: Record<string, Record<string, Operation>> }
  const operation = paths[path]?.[method]
  if (operation === undefined) throw new Error(`no ${method} ${path} in the document`)
  return operation
}

/** The example of each problem of `operation`, by its status. */
function examplesOf({ responses }: Operation): Record<string, object> {
  const examples = Object.entries(responses).flatMap(([status, { content }]) => {
    const { example } = (content?.['application/problem+json'] ?? {}) as { example?: object }
    return example === undefined ? [] : [[status, example] as const]
  })
  return Object.fromEntries(examples)
}

describe('openApiDocument', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()

    const result = await validator.validate({ ...structuredClone(openApiDocument(routes, info)) })

    expect(result.errors).toBeUndefined()
    expect(result.valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  test('parameters have their schemas, and a path without a schema declares its names', () => {
    expect(operationOf('/items/{id}', 'get').parameters).toEqual([
      {
        in: 'path',
        name: 'id',
        required: true,
        schema: expect.objectContaining({ format: 'uuid' }) as object,
      },
      {
        in: 'query',
        name: 'limit',
        schema: expect.objectContaining({ type: 'integer', default: 20, maximum: 100 }) as object,
      },
    ])
    expect(operationOf('/items/{id}/content', 'get').parameters).toEqual([
      { in: 'path', name: 'id', required: true, schema: { type: 'string' } },
    ])
  })

  test("it contains the boundary's own answers, as problems", () => {
    expect(Object.keys(operationOf('/items/{id}', 'get').responses)).toEqual(
      '200,400,404,500,503,504'.split(','),
    )
    expect(Object.keys(operationOf('/items/{id}', 'put').responses)).toEqual(
      '204,400,413,415,500,503,504'.split(','),
    )
    expect(operationOf('/items/{id}', 'get').responses['404']?.content).toMatchObject({
      'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
    })
  })

  test('each problem has the body that a client gets as its example', () => {
    const requestId = expect.stringMatching(/^[\da-f]{8}-/) as string
    expect(examplesOf(operationOf('/items/{id}', 'put'))).toMatchObject({
      400: {
        type: 'about:blank',
        status: 400,
        title: 'Bad Request',
        detail: 'the request is invalid; see errors',
        errors: [
          { field: 'params.id', message: 'must be a UUID' },
          { field: 'body.name', message: 'is required' },
        ],
        requestId,
      },
      413: { status: 413, title: 'Content Too Large' },
      415: { status: 415, title: 'Unsupported Media Type' },
      500: { status: 500, title: 'Internal Server Error' },
      503: { status: 503, title: 'Service Unavailable' },
      504: { status: 504, detail: 'the request was not finished before its deadline', requestId },
    })
    expect(examplesOf(operationOf('/items/{id}', 'get'))).toMatchObject({
      400: { errors: [{ field: 'params.id' }, { field: 'query.limit', message: 'must be a number' }] },
      404: { title: 'Not Found', detail: 'there is no such item' },
    })
  })

  test('a schema that throws leaves the example of its 400 without fields', () => {
    const query = z.object({
      at: z.string().transform(() => {
        throw new Error('not a time')
      }),
    })
    const strict = route({
      method: 'GET',
      path: '/at',
      summary: '',
      tags: [],
      query,
      responses: answered,
      handle,
    })
    expect(examplesOf(operationOf('/at', 'get', [strict]))).toMatchObject({
      400: { status: 400, detail: 'the request is invalid: `errors` names each field' },
    })
  })

  test('a JSON body has its schema, and files are a field that may be repeated', () => {
    expect(operationOf('/items/{id}', 'put').requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { properties: { name: { type: 'string' } } } } },
    })
    expect(operationOf('/items', 'post').requestBody).toMatchObject({
      content: {
        'multipart/form-data': {
          schema: {
            required: ['item'],
            properties: { item: { type: 'array', items: { type: 'string', format: 'binary' } } },
          },
        },
      },
    })
  })

  test('operation ids come from method and path, and are unique', () => {
    expect(operationOf('/items/{id}/content', 'get').operationId).toBe('getItemsByIdContent')
    expect(operationOf('/items', 'post').operationId).toBe('postItems')

    const twins = ['/a-b', '/a/b'].map((path) =>
      route({ method: 'GET', path, summary: '', tags: [], responses: answered, handle }),
    )
    const text = JSON.stringify(openApiDocument(twins, info))
    expect(text.match(/"operationId":"\w+"/g)).toEqual(['"operationId":"getAB"', '"operationId":"getAB2"'])
  })

  test('a schema without a JSON Schema is reported with its route', () => {
    const bad = route({
      method: 'GET',
      path: '/bad',
      summary: '',
      tags: [],
      responses: { 200: { description: '', body: z.object({ counts: z.map(z.string(), z.int()) }) } },
      handle,
    })

    expect(() => openApiDocument([bad], info)).toThrow(/\/bad/)
  })
})

describe('documentationRoutes', () => {
  /** What the route at `path` answers, as text. */
  async function get(t: TestContext, served: readonly Route[], path: string): Promise<[Headers, string]> {
    const found = served.find((route) => route.path === path)
    if (found === undefined) throw new Error(`no route at ${path}`)
    const input = { params: undefined, query: undefined, body: undefined }
    const request = {
      method: 'GET',
      headers: {},
      rawHeaders: [],
      body: new IncomingMessage(new Socket()),
      setHeader: () => undefined,
      appendHeader: () => undefined,
    }
    const response: Response | StreamedResponse = await found.handle(testContext(t), input, request)
    return response instanceof Response
      ? [response.headers, await response.text()]
      : [new Headers(response.headers), await text(response.body)]
  }

  test('/openapi.json is that document', async (t) => {
    const [headers, body] = await get(t, documentationRoutes(routes, info), '/openapi.json')

    expect(headers.get('content-type')).toBe('application/json')
    expect(JSON.parse(body)).toEqual(JSON.parse(JSON.stringify(openApiDocument(routes, info))))
  })

  test('/docs loads only what this service serves', async (t) => {
    const served = documentationRoutes(routes, info)
    const [headers, page] = await get(t, served, '/docs')

    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toContain("script-src 'self';")
    expect(page).not.toMatch(/https?:|\/\//)
    const links = Array.from(page.matchAll(/(?:src|href)="(\/[^"]+)"/g), ([, link]) => link ?? '')
    expect(links).toHaveLength(3)
    for (const link of links) {
      const [headers, body] = await get(t, served, link)
      const length = headers.get('content-length')
      expect(headers.get('content-type')).toMatch(/^text\/(css|javascript)/)
      expect(Number(length)).toBe(Buffer.byteLength(body))
    }
  })

  test('documented adds them to the routes, with the version of package.json', async (t) => {
    const manifest = await readFile(new URL('../../../../package.json', import.meta.url), 'utf8')
    const all = documented('shop', routes)

    expect(all.slice(0, routes.length)).toEqual(routes)
    expect(all.filter(({ path }) => path === '/')).toHaveLength(1)
    const own = route({ method: 'GET', path: '/', summary: '', tags: [], responses: answered, handle })
    expect(documented('shop', [own]).filter(({ path }) => path === '/')).toEqual([own])
    const [, body] = await get(t, all, '/openapi.json')
    expect(JSON.parse(body)).toMatchObject({
      info: { title: 'shop', version: (JSON.parse(manifest) as { version: string }).version },
    })
  })
})
