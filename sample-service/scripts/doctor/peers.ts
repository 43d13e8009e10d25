import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readManifest } from '../dev/packages.ts'

/** A dependency that gets another version of a package than the service asks for, and the remedy. */
export interface Stray {
  readonly seen: string
  readonly fix: string
}

/** The packages that a package imports without declaring them. */
const undeclared: Readonly<Record<string, readonly string[]>> = { 'drizzle-kit': ['drizzle-orm'] }

/**
 * Finds the dependencies of the service in `root` that get another version of a peer dependency than the service. In a workspace
 * they may find an older version, of another member: then types do not match, or each copy has its own registry.
 * @param place the folder of the lock file: `root`, or the root of the workspace
 */
export function strayPeers(root: string, place: string): Stray[] {
  const { name, dependencies, devDependencies } = readManifest(root)
  const ranges: Ranges = { ...dependencies, ...devDependencies }
  const file = join(place, 'package.json')
  const strays = place === root ? [] : strayOverrides(name, ranges, file)
  for (const dependency of Object.keys(ranges)) {
    for (const { peer, theirs, ours } of peersOf(dependency, root)) {
      const range = ranges[peer]
      if (range === undefined || ours === undefined || theirs === ours) continue
      const fix =
        undeclared[dependency] === undefined
          ? `in overrides of ${file}, below "${name}", write "${dependency}": { "${peer}": "${range}" }, and run npm update ${peer}; if that is not enough, install without the lock file`
          : `install ${peer}@${range} in ${place} too, as a devDependency`
      strays.push({
        seen: `${dependency} finds ${peer} ${theirs ?? 'nowhere'}, but the service finds ${ours}`,
        fix,
      })
    }
  }
  return strays
}

/**
 * Returns a finding for each range that the workspace's overrides for `name` in `file` set, and that
 * differs from the service's own.
 */
function strayOverrides(name: string, ranges: Ranges, file: string): Stray[] {
  const overrides = Object.values(readManifest(dirname(file)).overrides?.[name] ?? {})
  const nested = overrides.flatMap((one) => (typeof one === 'object' ? Object.entries(one) : []))
  return nested.flatMap(([peer, range]) => {
    const own = ranges[peer]
    if (own === undefined || own === range) return []
    const seen = `the overrides of ${file} ask for ${peer} ${range}, but the service asks for ${own}`
    return [{ seen, fix: `write ${own} there, and install` }]
  })
}

/** The peer dependencies of `dependency`, with the versions that it and the service find. */
function peersOf(dependency: string, root: string) {
  const from = folderOf(dependency, root)
  if (from === undefined) return []
  const peers = [...Object.keys(readManifest(from).peerDependencies ?? {}), ...(undeclared[dependency] ?? [])]
  return peers.map((peer) => ({ peer, theirs: versionFrom(from, peer), ours: versionFrom(root, peer) }))
}

function versionFrom(folder: string, name: string): string | undefined {
  const found = folderOf(name, folder)
  return found && readManifest(found).version
}

type Ranges = Readonly<Record<string, string | undefined>>

/** Where Node finds the package from `folder`. */
function folderOf(name: string, folder: string): string | undefined {
  const place = join(folder, 'node_modules', name)
  if (existsSync(join(place, 'package.json'))) return realpathSync(place)
  return folder === dirname(folder) ? undefined : folderOf(name, dirname(folder))
}
