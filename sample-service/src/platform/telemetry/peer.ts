/** The address of the server that `url` names, with the names of the conventions. */
export function peerOf({ protocol, hostname, port }: URL): {
  readonly 'server.address': string
  readonly 'server.port': number
} {
  const standard = protocol === 'https:' ? 443 : 80
  // The URL of an IPv6 address has brackets around it.
  const address = hostname.replace(/^\[|\]$/g, '')
  return { 'server.address': address, 'server.port': port === '' ? standard : Number(port) }
}
