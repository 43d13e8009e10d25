import { SyntaxKind } from 'ts-morph'
import { replace, replaced } from '../edit.ts'
import type { Shape } from '../piece.ts'
import { parse } from '../source.ts'

/** What puts `cron` in the place of the piece's own expression. */
export function shapeFor(cron: string): Shape {
  return (path, text) => {
    if (!path.endsWith('.schedule.ts')) return text
    const value = parse(path, text)
      .getDescendantsOfKind(SyntaxKind.PropertyAssignment)
      .find((property) => property.getName() === 'cron')
      ?.getInitializer()
    if (value === undefined) throw new Error(`${path} has no cron of the piece to put yours in place of.`)
    return replaced(text, [replace(value, `'${cron}'`)])
  }
}
