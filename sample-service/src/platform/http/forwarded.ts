import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import type { Client } from '../request.ts'

/** Which proxies tell the truth about their clients. */
export interface ProxyTrust {
  /** How many proxies stand in front of the service. */
  readonly hops: number
  /** The addresses and networks (`10.0.0.0/8`) of proxies. */
  readonly networks: readonly string[]
  /** The headers that every proxy sets: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`. Clients may set the others. */
  readonly headers: 'x-forwarded' | 'forwarded'
}

export const noProxies: ProxyTrust = { hops: 0, networks: [], headers: 'x-forwarded' }

/** What one proxy says of its own client. */
interface Hop {
  readonly for: string | undefined
  readonly proto: string | undefined
  readonly host: string | undefined
}

/**
 * Returns a function that finds the client of a request. It starts at the connection's peer and goes back hop by hop, as long
 * as it trusts the proxy that names the next. The client may have written the hops beyond the last trusted proxy's.
 */
export function clientFinder(trust: ProxyTrust): (incoming: IncomingMessage) => Client {
  // Asking a BlockList, even an empty one, takes as long as making the rest of a small request's context.
  const networks = trust.networks.length === 0 ? undefined : blockListOf(trust.networks)
  const hopsOf = trust.headers === 'forwarded' ? ofForwarded : ofXForwarded
  const isTrusted = (address: string | undefined, passed: number): boolean =>
    passed < trust.hops || (address !== undefined && networks?.check(address, familyOf(address)) === true)
  const peerOf = oncePerConnection(({ remoteAddress }) => {
    const address = addressOf(remoteAddress)
    return { address, trusted: isTrusted(address, 0) }
  })

  return ({ headers, socket }) => {
    const peer = peerOf(socket)
    let { address } = peer
    let scheme: Client['scheme'] = 'http'
    let { host } = headers
    if (!peer.trusted) return { address, scheme, host }
    const hops = hopsOf(headers)
    for (let passed = 0; passed < hops.length && isTrusted(address, passed); passed++) {
      const hop = hops[passed]
      scheme = schemeOf(hop?.proto) ?? scheme
      host = hostOf(hop?.host) ?? host
      const next = addressOf(hop?.for)
      // A proxy that names its client `unknown`, or makes up a name, hides the client; its own address is the last known.
      if (next === undefined) break
      address = next
    }
    return { address, scheme, host }
  }
}

/** Calls `read` once per connection: its other end never changes, and Node asks the system each time. */
function oncePerConnection<T>(read: (socket: Socket) => T): (socket: Socket) => T {
  const known = new WeakMap<Socket, T>()
  return (socket) => {
    let found = known.get(socket)
    if (found === undefined) known.set(socket, (found = read(socket)))
    return found
  }
}

/** The hops that the headers name, the nearest first. A proxy that replaces a header leaves one value for all. */
function ofXForwarded(headers: IncomingHttpHeaders): Hop[] {
  const fors = valuesOf(headers['x-forwarded-for'])
  const protos = valuesOf(headers['x-forwarded-proto'])
  const hosts = valuesOf(headers['x-forwarded-host'])
  const count = Math.max(fors.length, Math.min(1, protos.length + hosts.length))
  return Array.from({ length: count }, (_, i) => ({
    for: fors[i],
    proto: protos[i] ?? protos.at(-1),
    host: hosts[i] ?? hosts.at(-1),
  }))
}

function valuesOf(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join(',') : header
  return text === undefined
    ? []
    : text
        .split(',')
        .reverse()
        .map((value) => value.trim())
}

/**
 * RFC 7239, 4: pairs with semicolons between them, hops with commas; a value may be quoted. A quote that is never closed ends
 * with the header, so that no header makes the pattern backtrack.
 */
function ofForwarded({ forwarded }: IncomingHttpHeaders): Hop[] {
  if (forwarded === undefined) return []
  const hops = forwarded.match(/(?:"(?:\\.?|[^"\\])*(?:"|$)|[^,"])+/g) ?? []
  return hops.reverse().map((hop) => {
    const pairs = Array.from(hop.matchAll(pair), ([, name = '', quoted, plain]): [string, string] => [
      name.toLowerCase(),
      quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
    ])
    const { for: node, proto, host } = Object.fromEntries(pairs) as Partial<Record<string, string>>
    return { for: node, proto, host }
  })
}

const pair = /(?:^|;)\s*([\w-]+)=(?:"((?:\\.|[^"\\])*)"|([^\s;",]*))\s*(?=;|$)/g

/** The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; undefined for anything else. */
function addressOf(node: string | undefined): string | undefined {
  if (node === undefined) return undefined
  const bare = /^\[(.*)\](?::\d+)?$/.exec(node)?.[1] ?? /^([\d.]+):\d+$/.exec(node)?.[1] ?? node
  if (isIP(bare) === 0 || bare.includes('%')) return undefined
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare.toLowerCase()
}

function schemeOf(proto: string | undefined): Client['scheme'] | undefined {
  const scheme = proto?.toLowerCase()
  return scheme === 'https' || scheme === 'http' ? scheme : undefined
}

function hostOf(host: string | undefined): string | undefined {
  return host !== undefined && /^(?:[\w.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host)
    ? host
    : undefined
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = familyOf(address)
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
