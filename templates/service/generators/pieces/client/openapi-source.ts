import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Shape } from '../../engine/piece.ts'

/** The value of `--openapi` if there is no document. */
export const none = 'none'
/** How long the document may take to arrive, and how large it may be. */
const [longestMs, mostBytes] = [30_000, 20 * 2 ** 20]

/** Throws an Error of one sentence if it is neither a file nor a URL that a document can be read from. */
export function checkDocument(typed: string): void {
  // The value becomes part of a comment of the stamped file.
  if (/[\p{Cc}\u2028\u2029]/u.test(typed)) throw new Error('--openapi must not have control characters.')
  if (typed === none || (isUrl(typed) && new URL(typed).username === '')) return
  if (isUrl(typed))
    throw new Error('--openapi must be a URL without user and password: save the document as a file.')
  if (!existsSync(typed))
    throw new Error(`--openapi must be a file or an http(s) URL: there is no file ${typed}.`)
}

/** Replaces widget-api.ts by the types of the document. Throws an Error of one sentence if they cannot be made. */
export async function shapeFor(name: string, typed: string): Promise<Shape> {
  const { default: openapiTS, astToString } = await compiler()
  const source = isUrl(typed) ? await download(typed) : pathToFileURL(resolve(typed))
  let types: string
  try {
    types = astToString(await openapiTS(source, { silent: true }))
  } catch (cause) {
    const why = String(cause instanceof Error ? cause.message : cause).split('\n')[0] ?? ''
    throw new Error(`${typed} is not an OpenAPI 3 document from which types can be made: ${why}`, { cause })
  }
  const again = `npm run add -- client ${name} --openapi ${typed} --base-url …`
  const head = `// The API of ${name}, made from its OpenAPI document by openapi-typescript. Do not edit it: \`${again}\` makes it again.\n\n`
  return (path, text) => (path.endsWith('-api.ts') ? head + types : text)
}

/** The used part of openapi-typescript. A service without such a client does not have the package. */
interface Compiler {
  readonly default: (source: URL | string, options: { readonly silent: boolean }) => Promise<unknown>
  readonly astToString: (ast: unknown) => string
}

async function compiler(): Promise<Compiler> {
  const name: string = 'openapi-typescript'
  try {
    return (await import(name)) as Compiler
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause
    throw new Error(
      '--openapi needs openapi-typescript: run npm install --save-dev openapi-typescript@^7.13.0, then add again.',
      { cause },
    )
  }
}

async function download(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(longestMs) })
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    const chunks: Uint8Array[] = []
    let size = 0
    const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? []
    for await (const chunk of body) {
      size += chunk.length
      if (size > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`)
      chunks.push(chunk)
    }
    return whole(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
    const why = inner instanceof Error ? inner.message : String(inner)
    throw new Error(`${url} cannot be read: ${why}.`, { cause })
  }
}

/** Refuses references to other files: openapi-typescript would look for them on this machine. */
function whole(text: string): string {
  const [, other] = /["']?\$ref["']?\s*:\s*["']?([^#"'\s][^"'\s]*)/.exec(text) ?? []
  if (other === undefined) return text
  throw new Error(`it refers to ${other}; make one file of it (npx @redocly/cli bundle)`)
}

function isUrl(typed: string): boolean {
  return /^https?:/i.test(typed) && URL.canParse(typed)
}
