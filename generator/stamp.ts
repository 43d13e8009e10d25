import { stampNames, type Noun } from '../templates/service/generators/engine/names.ts'
import { textOf, type PlannedFile } from './tree.ts'

/** The name that templates bear where the service's own will stand. */
const placeholder = 'mainstem-service'

/** The path of the service below the root of its workspace, as templates bear it. */
const placeholderPath = `apps/${placeholder}`

/** What the placeholders of a template become. */
export interface Stamp {
  readonly name: string
  /** Given for a piece and the example that is wired to it: what `widget` becomes. */
  readonly noun: Noun | undefined
  /** Given for a member of a workspace: its path below the root. */
  readonly workspace?: string | undefined
}

/** Names under which a tarball can carry what npm would drop from it, or obey while packing. */
const stored: Record<string, string> = { gitignore: '.gitignore', npmrc: '.npmrc' }

/** The path that a template's file has in the service. */
export function stampPath(path: string, stamp: Stamp): string {
  const parts = path.split('/').map((part) => (Object.hasOwn(stored, part) ? (stored[part] ?? part) : part))
  return stampText(parts.join('/'), stamp)
}

/** The file with its placeholders replaced and its lines ended by LF. A file that is not UTF-8 text stays as it is. */
export function stampFile(file: PlannedFile, stamp: Stamp): PlannedFile {
  const text = textOf(file.bytes)
  if (text === undefined) return file
  return { ...file, bytes: Buffer.from(stampText(text.replaceAll('\r\n', '\n'), stamp), 'utf8') }
}

// The noun first: a service's name may hold the placeholder of the noun (`widget-shop`).
function stampText(text: string, { name, noun, workspace = placeholderPath }: Stamp): string {
  return (noun === undefined ? text : stampNames(text, noun))
    .replaceAll(placeholderPath, () => workspace)
    .replaceAll(placeholder, () => name)
}
