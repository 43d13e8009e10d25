import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A dependency that gets another version of a package than the service asks for, and the remedy. */
export interface Stray {
  readonly seen: string
  readonly fix: string
}

/** The packages that a package imports without declaring them. */
const undeclared: Readonly<Record<string, readonly string[]>> = { 'drizzle-kit': ['drizzle-orm'] }

/**
 * Finds the dependencies of the service in `root` that have a peer dependency, and get another version of it than the service. In
 * a workspace they may find an older one, of a neighbour: then types do not match, or one part does not see what another
 * registers.
 * @param place the folder of the lock file: `root`, or the root of the workspace
 */
export function strayPeers(root: string, place: string): Stray[] {
  const { name, dependencies, devDependencies } = manifestIn(root)
  const ranges: Readonly<Record<string, string | undefined>> = { ...dependencies, ...devDependencies }
  const overrides = place === root ? {} : (manifestIn(place).overrides?.[name] ?? {})
  const file = join(place, 'package.json')
  const strays: Stray[] = []
  const nested = Object.values(overrides).filter((one) => typeof one === 'object')
  for (const [peer, range] of nested.flatMap((one) => Object.entries(one))) {
    const own = ranges[peer]
    if (own !== undefined && own !== range)
      strays.push({
        seen: `the overrides of ${file} ask for ${peer} ${range}, the service for ${own}`,
        fix: `write ${own} there, and install`,
      })
  }
  for (const dependency of Object.keys(ranges)) {
    const from = folderOf(dependency, root)
    if (from === undefined) continue
    for (const peer of [
      ...Object.keys(manifestIn(from).peerDependencies ?? {}),
      ...(undeclared[dependency] ?? []),
    ]) {
      const [theirs, ours] = [folderOf(peer, from), folderOf(peer, root)].map(
        (one) => one && manifestIn(one).version,
      )
      const range = ranges[peer]
      if (range === undefined || ours === undefined || theirs === ours) continue
      const fix =
        undeclared[dependency] === undefined
          ? `in overrides of ${file}, below "${name}", write "${dependency}": { "${peer}": "${range}" }, and run npm update ${peer}; if that is not enough, install without the lock file`
          : `install ${peer}@${range} in ${place} too, as a devDependency`
      strays.push({ seen: `${dependency} finds ${peer} ${theirs ?? 'nowhere'}, the service ${ours}`, fix })
    }
  }
  return strays
}

interface Manifest {
  readonly name: string
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  /** By the name of a member: ranges, and the ranges below a dependency. */
  readonly overrides?: Readonly<
    Record<string, Readonly<Record<string, string | Readonly<Record<string, string>>>>>
  >
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Where Node finds the package from `folder`. */
function folderOf(name: string, folder: string): string | undefined {
  const place = join(folder, 'node_modules', name)
  if (existsSync(join(place, 'package.json'))) return realpathSync(place)
  return folder === dirname(folder) ? undefined : folderOf(name, dirname(folder))
}
