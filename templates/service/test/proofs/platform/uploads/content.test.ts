import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { answerContent } from '../../../../src/platform/uploads/content.ts'

const hash = 'a'.repeat(64)
const digits = '0123456789'

async function answer(headers: IncomingHttpHeaders, bytes = digits, name = 'digits.txt', method = 'GET') {
  const response = await answerContent(
    { method, headers },
    {
      name,
      contentType: 'text/plain',
      size: bytes.length,
      sha256: hash,
      open: (range) =>
        Promise.resolve(
          Readable.from([range === undefined ? bytes : bytes.slice(range.start, range.end + 1)]),
        ),
    },
  )
  if (response instanceof Response)
    return { status: response.status, headers: Object.fromEntries(response.headers) }
  return { ...response, body: await text(response.body) }
}

test.each([
  ['bytes=0-0', '0', 'bytes 0-0/10'],
  ['bytes=2-4', '234', 'bytes 2-4/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=-3', '789', 'bytes 7-9/10'],
  ['bytes=-99', digits, 'bytes 0-9/10'],
  ['bytes=5-99', '56789', 'bytes 5-9/10'],
  ['Bytes= 9-9', '9', 'bytes 9-9/10'],
])('%s is answered %j', async (range, body, contentRange) => {
  const response = await answer({ range })
  expect(response).toMatchObject({
    status: 206,
    body,
    headers: { 'content-range': contentRange, 'content-length': String(body.length) },
  })
})

test.each(['bytes=10-', 'bytes=10-12', 'bytes=-0'])(
  '%s is outside the content: 416 with the size',
  async (range) => {
    await expect(answer({ range })).rejects.toMatchObject({
      status: 416,
      headers: { 'content-range': 'bytes */10' },
    })
  },
)

test('any range is outside an empty content', async () => {
  await expect(answer({ range: 'bytes=0-' }, '')).rejects.toMatchObject({ status: 416 })
})

test.each(['bytes=0-1,3-4', 'bytes=4-2', 'bytes=-', 'bytes=a-b', 'lines=0-1', 'bytes 0-1', ''])(
  '%j is not a range that the service supports: it sends all of the content',
  async (range) => {
    expect(await answer({ range })).toMatchObject({ status: 200, body: digits })
  },
)

test('a range applies only to the bytes that If-Range names', async () => {
  const range = 'bytes=0-0'
  expect(await answer({ range, 'if-range': `"${hash}"` })).toMatchObject({ status: 206 })
  expect(await answer({ range, 'if-range': `W/"${hash}"` })).toMatchObject({ status: 200 })
  expect(await answer({ range, 'if-range': '"other"' })).toMatchObject({ status: 200 })
  expect(await answer({ range, 'if-range': 'Sat, 29 Oct 1994 19:43:31 GMT' })).toMatchObject({ status: 200 })
})

test.each([`"${hash}"`, `W/"${hash}"`, `"other", "${hash}"`, '*'])(
  'If-None-Match: %s is answered 304, with or without a range',
  async (tag) => {
    const response = await answer({ 'if-none-match': tag, range: 'bytes=99-' })
    expect(response).toMatchObject({ status: 304, headers: { etag: `"${hash}"` } })
  },
)

test('HEAD has no ranges', async () => {
  for (const range of ['bytes=0-0', 'bytes=99-']) {
    expect(await answer({ range }, digits, 'digits.txt', 'HEAD')).toMatchObject({
      status: 200,
      headers: { 'content-length': '10' },
    })
  }
})

test.each(['"other"', `W/"${hash}"`, '', 'none'])('If-Match: %s is answered 412', async (tag) => {
  await expect(answer({ 'if-match': tag, range: 'bytes=99-' })).rejects.toMatchObject({ status: 412 })
})

test('content that the client does not have is sent', async () => {
  expect(await answer({ 'if-none-match': '"other"' })).toMatchObject({ status: 200, body: digits })
})

describe('the name of the content', () => {
  test.each([
    ['plain.txt', `attachment; filename="plain.txt"; filename*=UTF-8''plain.txt`],
    ['中.txt', `attachment; filename="_.txt"; filename*=UTF-8''%E4%B8%AD.txt`],
    ['a"b\\c%.txt', `attachment; filename="a_b_c_.txt"; filename*=UTF-8''a%22b%5Cc%25.txt`],
    ["it's (1)*", `attachment; filename="it's (1)*"; filename*=UTF-8''it%27s%20%281%29%2a`],
    ['a\r\nb', `attachment; filename="a__b"; filename*=UTF-8''a%0D%0Ab`],
  ])('%j is sent as %s', async (name, disposition) => {
    const response = await answer({}, digits, name)
    expect(response.headers['content-disposition']).toBe(disposition)
  })
})
