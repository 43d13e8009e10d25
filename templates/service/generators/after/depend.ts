import type { Plan } from '../engine/plan.ts'

const path = 'package.json'

type Entries = Readonly<Record<string, string>>

interface Manifest {
  dependencies?: Entries
  scripts?: Entries
}

/** Plans the entries that package.json lacks, written as npm writes them. The team installs them with its package manager. */
export async function depend(plan: Plan, wanted: Entries, commands: Entries = {}): Promise<void> {
  await rewriteManifest(plan, ({ dependencies = {}, scripts = {} }) => {
    const packages = missingFrom(dependencies, wanted)
    const added = missingFrom(scripts, commands)
    const all = [...Object.entries(dependencies), ...packages].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      ...(packages.length > 0 && { dependencies: Object.fromEntries(all) }),
      ...(added.length > 0 && { scripts: { ...scripts, ...Object.fromEntries(added) } }),
    }
  })
}

/** Plans package.json without these dependencies and scripts. */
export async function undepend(
  plan: Plan,
  packages: readonly string[],
  commands: readonly string[],
): Promise<void> {
  await rewriteManifest(plan, ({ dependencies = {}, scripts = {} }) => ({
    ...(packages.some((name) => name in dependencies) && { dependencies: without(dependencies, packages) }),
    ...(commands.some((name) => name in scripts) && { scripts: without(scripts, commands) }),
  }))
}

function missingFrom(there: Entries, wanted: Entries): [string, string][] {
  return Object.entries(wanted).filter(([name]) => !Object.hasOwn(there, name))
}

/** The entries without those of these names. */
export function without(there: Entries, names: readonly string[]): Entries {
  return Object.fromEntries(Object.entries(there).filter(([name]) => !names.includes(name)))
}

/** Plans the manifest with what `change` returns; the file keeps its order and its indentation. */
async function rewriteManifest(plan: Plan, change: (manifest: Manifest) => Manifest): Promise<void> {
  const text = await plan.read(path)
  if (text === undefined)
    throw new Error(`${path} is missing: restore it, because it lists the dependencies.`)
  // It is valid JSON, else Node would not have started here.
  const manifest = JSON.parse(text) as Manifest
  const changed = change(manifest)
  if (Object.keys(changed).length === 0) return
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const indent = /^[ \t]+/m.exec(text)?.[0] ?? '  '
  // Assigning an existing key keeps its position.
  const after = JSON.stringify({ ...manifest, ...changed }, null, indent).replaceAll('\n', newline)
  await plan.edit(path, after + (text.endsWith('\n') ? newline : ''))
}
