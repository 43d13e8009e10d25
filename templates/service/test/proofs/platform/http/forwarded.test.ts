import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { clientFinder, noProxies, type ProxyTrust } from '../../../../src/platform/http/forwarded.ts'

/** A row of the table: the trusted proxies, the peer, the headers, and the result. */
type Row = readonly [
  why: string,
  trust: Partial<ProxyTrust>,
  peer: string | undefined,
  headers: Record<string, string>,
  found: { address?: string | undefined; scheme?: string; host?: string },
]

const one = { hops: 1 }
const two = { hops: 2 }
const rfc = { hops: 1, headers: 'forwarded' } as const
const nets = { networks: ['10.0.0.0/8', '2001:db8:1::/48', '192.0.2.7'] }

const table: readonly Row[] = [
  [
    'nobody is trusted',
    {},
    '10.0.0.1',
    {
      'x-forwarded-for': '1.1.1.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
      forwarded: 'for=1.1.1.1',
    },
    { address: '10.0.0.1', scheme: 'http', host: 'service' },
  ],
  ['one proxy', one, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, { address: '1.1.1.1' }],
  [
    'a client that writes the header itself',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '6.6.6.6, 1.1.1.1' },
    { address: '1.1.1.1' },
  ],
  [
    'two proxies',
    two,
    '10.0.0.1',
    { 'x-forwarded-for': '6.6.6.6, 1.1.1.1, 10.0.0.2' },
    { address: '1.1.1.1' },
  ],
  ['fewer proxies than hops', two, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, { address: '1.1.1.1' }],
  ['no header at all', one, '10.0.0.1', {}, { address: '10.0.0.1', scheme: 'http', host: 'service' }],
  [
    'networks: the first address outside of them',
    nets,
    '10.0.0.1',
    { 'x-forwarded-for': '6.6.6.6, 1.1.1.1, 192.0.2.7, 10.9.9.9' },
    { address: '1.1.1.1' },
  ],
  [
    'networks: a peer outside of them',
    nets,
    '11.0.0.1',
    { 'x-forwarded-for': '1.1.1.1' },
    { address: '11.0.0.1' },
  ],
  [
    'networks: all inside',
    nets,
    '10.0.0.1',
    { 'x-forwarded-for': '10.0.0.3, 10.0.0.2' },
    { address: '10.0.0.3' },
  ],
  [
    'networks: IPv6',
    nets,
    '2001:db8:1::5',
    { 'x-forwarded-for': '2001:db8:2::9' },
    { address: '2001:db8:2::9' },
  ],
  [
    'an IPv4 peer on an IPv6 socket',
    nets,
    '::ffff:10.0.0.1',
    { 'x-forwarded-for': '::ffff:1.1.1.1' },
    { address: '1.1.1.1' },
  ],
  ['ports', one, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1:4711' }, { address: '1.1.1.1' }],
  [
    'IPv6 with a port',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '[2001:DB8::1]:4711' },
    { address: '2001:db8::1' },
  ],
  ['unknown', one, '10.0.0.1', { 'x-forwarded-for': '6.6.6.6, unknown' }, { address: '10.0.0.1' }],
  ['nonsense', one, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1, 1.2.3.4.5' }, { address: '10.0.0.1' }],
  ['an empty element', one, '10.0.0.1', { 'x-forwarded-for': '1.1.1.1,' }, { address: '10.0.0.1' }],
  ['a zone', one, '10.0.0.1', { 'x-forwarded-for': 'fe80::1%eth0' }, { address: '10.0.0.1' }],
  [
    'scheme and host',
    one,
    '10.0.0.1',
    {
      'x-forwarded-for': '1.1.1.1',
      'x-forwarded-proto': 'HTTPS',
      'x-forwarded-host': 'api.example.com:8443',
    },
    { scheme: 'https', host: 'api.example.com:8443' },
  ],
  [
    'scheme alone',
    one,
    '10.0.0.1',
    { 'x-forwarded-proto': 'https' },
    { address: '10.0.0.1', scheme: 'https' },
  ],
  [
    'a scheme that the client wrote first',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'https, http' },
    { scheme: 'http' },
  ],
  [
    'a scheme of the outer of two',
    two,
    '10.0.0.1',
    { 'x-forwarded-for': '1.1.1.1, 10.0.0.2', 'x-forwarded-proto': 'https, http' },
    { scheme: 'https' },
  ],
  [
    'a scheme that is none',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-proto': 'javascript' },
    { scheme: 'http' },
  ],
  [
    'a host that is none',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '1.1.1.1', 'x-forwarded-host': 'evil.com/<script>' },
    { host: 'service' },
  ],
  [
    'X-Forwarded-For does not count where Forwarded does',
    rfc,
    '10.0.0.1',
    { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=1.1.1.1' },
    { address: '1.1.1.1' },
  ],
  [
    'Forwarded does not count where X-Forwarded-For does',
    one,
    '10.0.0.1',
    { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=6.6.6.6' },
    { address: '1.1.1.1' },
  ],
  [
    'Forwarded: all of it',
    rfc,
    '10.0.0.1',
    { forwarded: 'For="[2001:db8::1]:4711";proto=https;host="api.example.com";by=_x' },
    { address: '2001:db8::1', scheme: 'https', host: 'api.example.com' },
  ],
  [
    'Forwarded: the nearest',
    rfc,
    '10.0.0.1',
    { forwarded: 'for=6.6.6.6;proto=https, for=1.1.1.1;proto=http' },
    { address: '1.1.1.1', scheme: 'http' },
  ],
  [
    'Forwarded: a comma in quotes',
    rfc,
    '10.0.0.1',
    { forwarded: 'for="1.1.1.1";by="a,for=6.6.6.6"' },
    { address: '1.1.1.1' },
  ],
  [
    'Forwarded: a quote that is not closed',
    rfc,
    '10.0.0.1',
    { forwarded: 'for="1.1.1.1' },
    { address: '10.0.0.1' },
  ],
  [
    'Forwarded: a name made up',
    rfc,
    '10.0.0.1',
    { forwarded: 'for=6.6.6.6, for=_hidden' },
    { address: '10.0.0.1' },
  ],
  ['Forwarded: nonsense', rfc, '10.0.0.1', { forwarded: ';;=,,==,for' }, { address: '10.0.0.1' }],
  ['a peer without an address', nets, undefined, { 'x-forwarded-for': '1.1.1.1' }, { address: undefined }],
  ['a proxy on a Unix socket', one, undefined, { 'x-forwarded-for': '1.1.1.1' }, { address: '1.1.1.1' }],
]

test.for(table)('%s', ([, trust, remoteAddress, sent, found]) => {
  const find = clientFinder({ ...noProxies, ...trust })
  const headers = { host: 'service', ...sent }

  expect(find({ headers, socket: { remoteAddress } } as unknown as IncomingMessage)).toMatchObject(found)
})

test('16 KB of a header cost no more than a few milliseconds', () => {
  const startedAt = performance.now()
  for (const forwarded of [
    '"'.repeat(16_000),
    'a='.repeat(8_000),
    ';'.repeat(16_000),
    ','.repeat(16_000),
    `for="${'\\'.repeat(16_000)}`,
  ]) {
    clientFinder({ hops: 9, networks: [], headers: 'forwarded' })({
      headers: { forwarded },
      socket: { remoteAddress: '10.0.0.1' },
    } as unknown as IncomingMessage)
  }
  expect(performance.now() - startedAt).toBeLessThan(500)
})
