import { isIPv6 } from 'node:net'
import type { Context } from '../../context/context.ts'
import { requestOf } from '../request.ts'

/**
 * The caller for whom a request counts: the principal if a guard has set one, else the client's address, as TRUSTED_PROXIES
 * determines it. Undefined if there is neither, as on a Unix socket.
 */
export function countedFor(ctx: Context): string | undefined {
  const { principal, client } = requestOf(ctx) ?? {}
  if (principal !== undefined) return `principal ${principal}`
  const address = client?.address
  return address === undefined ? undefined : `address ${networkOf(address)}`
}

/** The address, or for IPv6 its first 64 bits, because one client has all addresses that begin with them. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname
    .slice(1, -1)
    .split('::')
  const groups = head.split(':').filter((group) => group !== '')
  // The shortest form writes a run of zeros as `::`.
  const zeros =
    tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter((group) => group !== '').length
  const all = [...groups, ...Array<string>(zeros).fill('0'), ...(tail?.split(':') ?? [])]
  return `${all.slice(0, 4).join(':')}::/64`
}
