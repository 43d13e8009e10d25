import {
  applyEdits,
  modify,
  parse,
  type JSONPath,
  type ModificationOptions,
  type ParseError,
} from 'jsonc-parser'
import { higherOf, rangeSections } from './ranges.ts'

/** A merged JSON file. Its text is valid JSON even with conflicts, in which the service's value stays. */
export interface MergedJson {
  readonly text: string
  /** One sentence for each value that both sides changed in different ways. */
  readonly conflicts: readonly string[]
  /** One sentence for each other value of which the user should know. */
  readonly notes: readonly string[]
  /** The dependencies that the template changed and the team has removed. */
  readonly removed: readonly string[]
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
type Objects = Readonly<Record<string, Json>>

/** Keys of package.json that always stay the team's. */
const teams = new Set(['name', 'version', 'description'])

/** Whether a file is merged by its keys rather than by its lines. */
export function isKeyed(path: string): boolean {
  return /(?:^|\/)(?:package|tsconfig(?:\.[\w-]+)?)\.json$/.test(path)
}

/** Whether `text` is a JSON object, which may hold comments. */
export function isJsonObject(text: string): boolean {
  const errors: ParseError[] = []
  return isObject(parse(text, errors, { allowTrailingComma: true })) && errors.length === 0
}

/**
 * Merges by keys and keeps the comments and the order of `ours`. Lists of plain values are merged as sets. If both sides changed
 * a dependency, the higher minimum wins. What the team removed stays removed. Without a base, every key of `theirs` counts as
 * new.
 */
export function mergeJson(ours: string, base: string | undefined, theirs: string): MergedJson {
  const [mine, before, after] = [ours, base ?? '{}', theirs].map(objectOf) as [Objects, Objects, Objects]
  const merging = new Merging(ours)
  merging.objects([], mine, before, after)
  return merging
}

function objectOf(text: string): Objects {
  return parse(text, [], { allowTrailingComma: true }) as Objects
}

/** A merge under way. It applies each change to the text at once. */
class Merging implements MergedJson {
  readonly conflicts: string[] = []
  readonly notes: string[] = []
  readonly removed: string[] = []
  text: string

  constructor(text: string) {
    this.text = text
  }

  objects(at: JSONPath, ours: Objects, base: Objects, theirs: Objects): void {
    for (const key of new Set([...Object.keys(base), ...Object.keys(theirs)])) {
      const path = [...at, key]
      if (at.length === 0 && teams.has(key)) continue
      const [mine, before, after] = [ours[key], base[key], theirs[key]]
      if (same(before, after) || same(mine, after)) continue
      this.value(path, { mine, before, after }, Object.keys(theirs), ours)
    }
  }

  private value(
    path: JSONPath,
    { mine, before, after }: Values,
    order: readonly string[],
    siblings: Objects,
  ): void {
    const name = path.join('.')
    if (
      isObject(mine) &&
      (isObject(before) || before === undefined) &&
      (isObject(after) || after === undefined)
    ) {
      this.objects(path, mine, before ?? {}, after ?? {})
      if (after === undefined && Object.keys(valueAt(this.text, path) ?? {}).length === 0)
        this.set(path, undefined)
    } else if (same(mine, before)) this.set(path, after, order, siblings)
    else if (isList(mine) && isList(after) && (isList(before) || before === undefined))
      this.lists(path, mine, before ?? [], after)
    else if (mine === undefined) this.missing(path, after)
    else if (after === undefined) this.notes.push(`${name}: the template no longer has it; yours stays`)
    else if (isRange(path) && typeof mine === 'string' && typeof after === 'string')
      this.ranges(path, mine, after)
    else {
      const was = before === undefined ? '' : `, before ${JSON.stringify(before)}`
      this.conflicts.push(
        `${name}: yours stays, ${JSON.stringify(mine)}; the template has ${JSON.stringify(after)}${was}`,
      )
    }
  }

  private ranges(path: JSONPath, mine: string, after: string): void {
    const name = path.join('.')
    const higher = higherOf(mine, after)
    if (higher === undefined)
      this.conflicts.push(
        `${name}: yours stays, "${mine}"; the template has "${after}", and one of them is not a range`,
      )
    else if (higher === mine) this.notes.push(`${name}: yours stays, ${mine}; the template has ${after}`)
    else {
      this.notes.push(`${name}: ${after}, the template's; yours was ${mine}`)
      this.set(path, after)
    }
  }

  /** Handles a value that the template has changed and the team has removed, or moved to another section. */
  private missing(path: JSONPath, after: Json | undefined): void {
    const [section, dependency] = path
    const all = objectOf(this.text)
    const moved = rangeSections.find(
      (other) =>
        other !== section &&
        isObject(all[other]) &&
        dependency !== undefined &&
        all[other][dependency] !== undefined,
    )
    if (isRange(path) && moved !== undefined && dependency !== undefined && typeof after === 'string') {
      const mine = valueAt(this.text, [moved, dependency])
      if (typeof mine === 'string' && mine !== after) this.ranges([moved, dependency], mine, after)
      return
    }
    if (isRange(path)) this.removed.push(String(dependency))
    this.notes.push(`${path.join('.')}: you removed it; the template has ${JSON.stringify(after)}`)
  }

  private lists(
    path: JSONPath,
    mine: readonly Json[],
    before: readonly Json[],
    after: readonly Json[],
  ): void {
    const gone = before.filter((one) => !after.includes(one))
    const added = after.filter((one) => !before.includes(one) && !mine.includes(one))
    mine
      .flatMap((one, index) => (gone.includes(one) ? [index] : []))
      .reverse()
      .forEach((index) => this.change([...path, index], undefined))
    added.forEach((one) => this.change([...path, -1], one, { isArrayInsertion: true }))
  }

  /** Sets a key. Among sorted keys a new one goes to its place in the alphabet, else after the key that it follows in `order`. */
  private set(
    path: JSONPath,
    value: Json | undefined,
    order: readonly string[] = [],
    siblings: Objects = {},
  ): void {
    const key = String(path.at(-1))
    const there = Object.keys(siblings)
    const alphabetical =
      there.length > 1 && there.every((one, index) => index === 0 || (there[index - 1] ?? '') < one)
    const earlier = order.slice(0, order.indexOf(key)).reverse()
    this.change(path, value, {
      getInsertionIndex: (properties) => {
        if (alphabetical) return properties.filter((one) => one < key).length
        const previous = earlier.find((one) => properties.includes(one))
        return previous === undefined ? 0 : properties.indexOf(previous) + 1
      },
    })
  }

  private change(path: JSONPath, value: Json | undefined, options: ModificationOptions = {}): void {
    const indent = /^[ \t]+/m.exec(this.text)?.[0] ?? '  '
    const formattingOptions = { insertSpaces: !indent.startsWith('\t'), tabSize: indent.length, eol: '\n' }
    this.text = applyEdits(this.text, modify(this.text, path, value, { formattingOptions, ...options }))
  }
}

interface Values {
  readonly mine: Json | undefined
  readonly before: Json | undefined
  readonly after: Json | undefined
}

function valueAt(text: string, path: JSONPath): Json | undefined {
  return path.reduce<Json | undefined>(
    (value, key) => (isObject(value) ? value[String(key)] : undefined),
    objectOf(text),
  )
}

function isRange([section]: JSONPath): boolean {
  return rangeSections.some((one) => one === section)
}

export function isObject(value: unknown): value is Objects {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value) && value.every((one) => typeof one !== 'object')
}

function same(one: Json | undefined, other: Json | undefined): boolean {
  return (
    one === other ||
    (one !== undefined && other !== undefined && JSON.stringify(one) === JSON.stringify(other))
  )
}
