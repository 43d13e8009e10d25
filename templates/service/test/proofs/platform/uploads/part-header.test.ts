import fc from 'fast-check'
import { validateHeaderValue } from 'node:http'
import { describe, expect, test } from 'vitest'
import { cleanName, parsePartHeader } from '../../../../src/platform/uploads/part-header.ts'

/** In the form of the parser: bytes as latin1. */
function parse(disposition: string, contentType?: string) {
  const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
  return parsePartHeader({
    'content-disposition': [latin1(disposition)],
    ...(contentType !== undefined && { 'content-type': [latin1(contentType)] }),
  })
}

function nameOf(disposition: string): string | undefined {
  return parse(`form-data; name="f"; ${disposition}`).name
}

test.each([
  ['filename="plain.txt"', 'plain.txt'],
  ['filename=token.txt', 'token.txt'],
  ['filename="naïve 中文 🎉.txt"', 'naïve 中文 🎉.txt'],
  ['filename="a%22b.txt"', 'a"b.txt'],
  ['filename="a\\"b.txt"', 'a"b.txt'],
  ['filename="100%.txt"', '100%.txt'],
  ['filename="semi;colon=x.txt"', 'semi;colon=x.txt'],
  ["filename*=UTF-8''na%C3%AFve.txt", 'naïve.txt'],
  ['filename="fallback.txt"; filename*=utf-8\'en\'%E4%B8%AD.txt', '中.txt'],
  ['filename="fallback.txt"; filename*=UTF-8\'\'%FF', 'fallback.txt'],
  ['FileName="upper.txt"', 'upper.txt'],
  ['filename=""', 'unnamed'],
])('%s is the name %j', (disposition, name) => {
  expect(nameOf(disposition)).toBe(name)
})

test.each([
  ['../../etc/passwd', 'passwd'],
  ['C:\\fakepath\\cat.jpg', 'cat.jpg'],
  ['/', 'unnamed'],
  ['..', 'unnamed'],
  ['.', 'unnamed'],
  ['a/..', 'unnamed'],
  ['\0a\r\nSet-Cookie: b\x7f\x85', 'aSet-Cookie: b'],
  ['gpj\u202eexe.txt', 'gpjexe.txt'],
  ['  spaces  ', 'spaces'],
  ['.env', '.env'],
  ['👩‍💻.txt', '👩‍💻.txt'],
])('the name %j is cleaned to %j', (sent, name) => {
  expect(cleanName(sent)).toBe(name)
})

test('a name is cut to 255 bytes, never within a character', () => {
  expect(cleanName('x'.repeat(300))).toBe('x'.repeat(255))
  expect(cleanName('x' + '🎉'.repeat(100))).toBe('x' + '🎉'.repeat(63))
})

describe('the content type', () => {
  test.each([
    ['text/plain', 'text/plain'],
    ['Text/HTML; charset=utf-8', 'Text/HTML; charset=utf-8'],
    ['application/vnd.api+json; v="1, 2"', 'application/vnd.api+json; v="1, 2"'],
    ['nonsense', 'application/octet-stream'],
    ['text/plain\tx', 'application/octet-stream'],
    ['text/ä', 'application/octet-stream'],
    ['text/plain;\tcharset=utf-8', 'text/plain;\tcharset=utf-8'],
    ['text/plain;\vcharset=utf-8', 'application/octet-stream'],
    ['text/plain;\fcharset=utf-8', 'application/octet-stream'],
    ['text/plain;\u00a0charset=utf-8', 'application/octet-stream'],
    [`text/${'x'.repeat(300)}`, 'application/octet-stream'],
  ])('%j becomes %j', (sent, contentType) => {
    expect(parse('form-data; name="f"; filename="a"', sent).contentType).toBe(contentType)
  })

  test('is application/octet-stream if none was sent', () => {
    expect(parse('form-data; name="f"; filename="a"').contentType).toBe('application/octet-stream')
  })
})

test('a part without a file name is a plain value, unless its type is application/octet-stream', () => {
  expect(parse('form-data; name="f"').name).toBeUndefined()
  expect(parse('form-data; name="f"', 'text/plain').name).toBeUndefined()
  expect(parse('form-data; name="f"', 'application/octet-stream').name).toBe('unnamed')
})

test.each([
  '',
  'attachment; name="f"',
  'form-data',
  'form-data; filename="a"',
  'form-data; name="f',
  'form-data name="f"',
  'form-data; name="f"; name="g"',
  'form-data; name="f"; filename="a"; FILENAME="b"',
])('a part with the disposition %j is refused', (disposition) => {
  expect(() => parse(disposition)).toThrow('no readable Content-Disposition')
})

test.each([`filename*=UTF-8''%FF`, `filename*=iso-8859-1''%E9`, 'filename*=x'])(
  'a file whose only name is the invalid %s is refused',
  (disposition) => {
    expect(() => nameOf(disposition)).toThrow('a filename* that is not in UTF-8')
  },
)

test('a name that is not in UTF-8 is refused', () => {
  const disposition = 'form-data; name="f"; filename="na\xefve"'
  expect(() => parsePartHeader({ 'content-disposition': [disposition] })).toThrow('not in UTF-8')
})

test('any accepted type is valid in a header', () => {
  const type = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc
      .array(fc.constantFrom('text/html', ';', ' ', '\t', '\v', '\f', '\u00a0', 'a=b', '="c d"', '\0'))
      .map((all) => all.join('')),
  )
  fc.assert(
    fc.property(type, (sent) => {
      const { contentType } = parse('form-data; name="f"; filename="a"', sent)
      validateHeaderValue('content-type', contentType)
    }),
  )
})
