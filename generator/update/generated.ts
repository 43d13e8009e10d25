/** The parts of files that programs of the service write. An update does not merge them: it runs the programs again. */
const parts: Readonly<Record<string, RegExp>> = {
  'README.md': /<!-- npm run config -- --write -->[\s\S]*?<!-- end -->/,
  // Everything before OpenTelemetry's own variables.
  '.env.example': /^[\s\S]*?(?=# OpenTelemetry's own variables\.)/,
  'docs/guarantees.md': /^[\s\S]*$/,
}

/** The pages that contain such parts. */
export const generatedPages = Object.keys(parts)

/** Replaces the written part of `text` by that of `from`, so that a merge finds no difference there. */
export function withWrittenPart(path: string, text: string, from: string): string {
  const part = parts[path]
  const wanted = part === undefined ? undefined : part.exec(from)?.[0]
  return part === undefined || wanted === undefined ? text : text.replace(part, () => wanted)
}
