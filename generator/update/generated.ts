/** The parts of files that programs of the service write: they are written again after a merge, not merged. */
const parts: Readonly<Record<string, RegExp>> = {
  'README.md': /<!-- npm run config -- --write -->[\s\S]*?<!-- end -->/,
  // All before OpenTelemetry's own variables.
  '.env.example': /^[\s\S]*?(?=# OpenTelemetry's own variables\.)/,
  'docs/guarantees.md': /^[\s\S]*$/,
}

/** The pages that hold such parts. */
export const generatedPages = Object.keys(parts)

/** `text` with the written part of `from` in place of its own, so that a merge sees no difference there. */
export function withWrittenPart(path: string, text: string, from: string): string {
  const part = parts[path]
  const wanted = part === undefined ? undefined : part.exec(from)?.[0]
  return part === undefined || wanted === undefined ? text : text.replace(part, () => wanted)
}
