import { stampNames, type Noun } from '../templates/service/generators/engine/names.ts'
import { textOf, type PlannedFile } from './tree.ts'

/** The name that templates have in place of the service's own. */
const placeholder = 'mainstem-service'

/** The path that templates have in place of the service's path below the root of its workspace. */
const placeholderPath = `apps/${placeholder}`

/** The replacements for the placeholders of a template. */
export interface Stamp {
  readonly name: string
  /** The noun that replaces `widget`, for a piece and for the example that calls it. */
  readonly noun: Noun | undefined
  /** The path below the root, for a member of a workspace. */
  readonly workspace?: string | undefined
}

/** Files whose own names npm would leave out of the tarball, or obey while it packs; templates use these names instead. */
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
