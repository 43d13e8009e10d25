import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A package as `npm publish` would send it. */
export interface Published {
  readonly name: string
  readonly version: string
  readonly bin: unknown
  /** The path of its tarball. */
  readonly tarball: string
}

/** A registry on loopback that has `packages` and nothing else, so that no network is measured. Disposing closes it. */
export async function openRegistry(
  packages: readonly Published[],
): Promise<AsyncDisposable & { readonly url: string }> {
  const tarballs = new Map<string, Buffer>()
  for (const { name, tarball } of packages) tarballs.set(`/${name}.tgz`, await readFile(tarball))
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const bytes = tarballs.get(path)
    if (bytes !== undefined) return response.end(bytes)
    const found = packages.find(({ name }) => path === `/${name}`)
    response.statusCode = found === undefined ? 404 : 200
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify(found === undefined ? {} : packument(found, tarballs, url())))
  })
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: url(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The document of a package that npm gets from a registry: its versions, and the URL of each tarball. */
function packument(
  { name, version, bin }: Published,
  tarballs: ReadonlyMap<string, Buffer>,
  url: string,
): object {
  const bytes = tarballs.get(`/${name}.tgz`) ?? Buffer.alloc(0)
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const dist = { tarball: `${url}/${name}.tgz`, integrity }
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { name, version, bin, dist } } }
}
