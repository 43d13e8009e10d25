import { edited, replace, valueOf } from '../../edit/edit.ts'
import type { Shape } from '../../engine/piece.ts'
import { parse } from '../../edit/source.ts'

/** Returns the function that replaces the cron expression of the piece by `cron`. */
export function shapeFor(cron: string): Shape {
  return (path, text) => {
    if (!path.endsWith('.schedule.ts')) return text
    const value = valueOf(parse(path, text), 'cron')
    if (value === undefined) throw new Error(`${path} has no cron to replace.`)
    return edited(text, [replace(value, `'${cron}'`)])
  }
}
