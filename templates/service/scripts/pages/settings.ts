import { z } from 'zod'
import { complaint, Environment, withoutEmpty } from '../../src/config.ts'

/** One variable of src/config.ts, with its value in an environment. */
export interface Setting {
  readonly name: string
  readonly unit: 'ms' | 'bytes' | undefined
  /** Undefined if the variable has none. */
  readonly default: string | undefined
  readonly required: boolean
  /** A description of the allowed values. */
  readonly allowed: string
  readonly description: string
  /** The value or the default, with passwords hidden; undefined if there is neither. */
  readonly value: string | undefined
  readonly given: boolean
  /** Why the service refuses to start with this value. */
  readonly problem: string | undefined
}

/** Returns every variable in the order of declaration. Never throws: a bad value becomes the `problem` of its setting. */
export function settings(
  env: Readonly<Record<string, string | undefined>>,
  declared: z.ZodObject = Environment,
): Setting[] {
  const given = withoutEmpty(env)
  const issues = declared.safeParse(given).error?.issues ?? []
  return Object.entries(declared.shape as Readonly<Record<string, z.ZodType>>).map(([name, schema]) => {
    const fallback = schema instanceof z.ZodDefault ? String(schema.def.defaultValue) : undefined
    const issue = issues.find(({ path }) => path[0] === name)
    const value = given[name] ?? fallback
    const type = typeOf(schema).meta()
    return {
      name,
      unit: name.endsWith('_MS') ? 'ms' : name.endsWith('_BYTES') ? 'bytes' : undefined,
      default: fallback,
      required: typeOf(schema) === schema,
      allowed: String(type?.['allowed']),
      description: schema.description ?? '',
      value: value === undefined || type?.['secret'] !== true ? value : withoutPassword(value),
      given: given[name] !== undefined,
      problem: issue && complaint(issue),
    }
  })
}

/** The schema without its default. */
function typeOf(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? (schema.unwrap() as z.ZodType)
    : schema
}

/** Hides the URL's password and every query value that may be one; hides the whole value if it is not a URL. */
function withoutPassword(value: string): string {
  if (!URL.canParse(value)) return '***'
  const url = new URL(value)
  if (url.password !== '') url.password = '***'
  for (const name of url.searchParams.keys()) {
    if (/pass|pwd|auth|secret|token|key|options/i.test(name)) url.searchParams.set(name, '***')
  }
  return url.href
}
