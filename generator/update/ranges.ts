import { minVersion, compare } from 'semver'

/** The sections of package.json that hold ranges of versions. */
export const rangeSections = [
  ...['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'],
  ...['overrides', 'resolutions', 'engines'],
] as const

/** The range that begins at the higher version; undefined if one of them is not a range (a path, `workspace:*`). */
export function higherOf(one: string, other: string): string | undefined {
  const [first, second] = [minimumOf(one), minimumOf(other)]
  if (first === undefined || second === undefined) return undefined
  return compare(first, second) >= 0 ? one : other
}

function minimumOf(range: string) {
  try {
    return minVersion(range) ?? undefined
  } catch {
    return undefined
  }
}
