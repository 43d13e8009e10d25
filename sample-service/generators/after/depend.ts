import type { Plan } from '../engine/plan.ts'

/**
 * Plans the dependencies and scripts in package.json, written as npm writes it. What exists stays. It does not install: which
 * package manager to use is the team's choice. Throws an Error of one sentence if package.json is missing.
 */
export async function depend(
  plan: Plan,
  wanted: Readonly<Record<string, string>>,
  scripts: Readonly<Record<string, string>> = {},
): Promise<void> {
  const path = 'package.json'
  const text = await plan.read(path)
  if (text === undefined)
    throw new Error(`${path} is missing: restore it, because it lists the dependencies.`)
  // It is valid JSON: else Node would not have started here.
  const manifest = JSON.parse(text) as {
    dependencies?: Record<string, string>
    scripts?: Record<string, string>
  }
  const missing = Object.entries(wanted).filter(([name]) => !Object.hasOwn(manifest.dependencies ?? {}, name))
  const commands = Object.entries(scripts).filter(([name]) => !Object.hasOwn(manifest.scripts ?? {}, name))
  if (missing.length + commands.length === 0) return
  const all = [...Object.entries(manifest.dependencies ?? {}), ...missing]
  // Assigning an existing key keeps its position.
  manifest.dependencies = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
  if (commands.length > 0) manifest.scripts = { ...manifest.scripts, ...Object.fromEntries(commands) }
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const indent = /^[ \t]+/m.exec(text)?.[0] ?? '  '
  const after = JSON.stringify(manifest, null, indent).replaceAll('\n', newline)
  await plan.edit(path, after + (text.endsWith('\n') ? newline : ''))
}
