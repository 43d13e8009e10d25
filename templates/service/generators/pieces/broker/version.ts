import type { Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'

/** A name with a version at its end, `invoice-paid-v2`, is the type of its event. Any other name gets `-v1`. */
export function shapeForVersion(_service: string, { singular: name }: Noun): Promise<Shape> {
  const twice = /-v\d+$/.test(name) ? `${name}-v1` : undefined
  return Promise.resolve((_path, text) => (twice === undefined ? text : text.replaceAll(twice, name)))
}
