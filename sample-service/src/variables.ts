import { isIP } from 'node:net'
import pg from 'pg'
import { z } from 'zod'

/** Makes a message with what is allowed and the value, so not for a variable that may hold a password. */
export function mustBe(allowed: string) {
  return ({ input }: { input?: unknown }): string => `must be ${allowed}, not '${String(input)}'`
}

/** A whole number in decimal digits: Number() would read '' as 0, '0x10' as 16 and ' 5 ' as 5. */
export function integer(least: number, most: number, standard: number) {
  return z
    .string()
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) >= least && Number(text) <= most, {
      error: mustBe(`a whole number from ${least} to ${most}`),
    })
    .transform(Number)
    .meta({ allowed: `${least} to ${most}` })
    .default(standard)
}

export function text(standard: string) {
  return z.string().meta({ allowed: 'text' }).default(standard)
}

/** Values with commas between them, such as `example`; none if it is not given. */
export function list(isValid: (value: string) => boolean, example: string) {
  return z
    .string()
    .transform((text) => text.split(',').map((value) => value.trim()))
    .refine((values) => values.every(isValid), {
      error: ({ input }) => `must be such as ${example}, with commas between several, not '${String(input)}'`,
    })
    .meta({ allowed: `${example}, …` })
    .optional()
}

/** A number of proxies, or their addresses and networks with commas between them; none if it is not given. */
export function proxies() {
  return z
    .string()
    .refine((text) => /^\d$/.test(text) || text.split(',').every((one) => isNetwork(one.trim())), {
      error: mustBe(
        'a number of proxies up to 9, or addresses and networks such as 10.0.0.0/8, with commas between',
      ),
    })
    .transform((text) =>
      /^\d$/.test(text)
        ? { hops: Number(text), networks: [] }
        : { hops: 0, networks: text.split(',').map((one) => one.trim()) },
    )
    .meta({ allowed: '1 to 9, or 10.0.0.0/8, …' })
    .optional()
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, more] = text.split('/')
  const bits = isIP(address) === 6 ? 128 : 32
  if (isIP(address) === 0 || more !== undefined) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
}

/** As browsers send it: a scheme, a host and a port that is not the scheme's own. */
export function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text
}

/** A URL such as `example`, with one of `protocols`; `several` have commas between them. Secret, since it may hold a password. */
export function url(example: string, protocols = /^/, several = false) {
  const isValid = (one: string): boolean => URL.canParse(one) && protocols.test(new URL(one).protocol)
  return z
    .string({ error: `is required: ${example}` })
    .refine((value) => (several ? value.split(',') : [value]).every(isValid), {
      error: `must be a URL such as ${example}${several ? ', with commas between several' : ''}`,
    })
    .meta({ allowed: example, secret: true })
}

/** A connection string that the driver accepts: a URL such as `example`, with or without a host, or a socket's directory. */
export function databaseUrl(example: string) {
  return z
    .string({ error: `is required: ${example}` })
    .superRefine((value, issues) => {
      const fault = faultOf(value)
      if (fault === undefined) return
      issues.addIssue({ code: 'custom', message: `must be a URL such as ${example}${fault}` })
    })
    .meta({ allowed: example, secret: true })
}

function faultOf(url: string): string | undefined {
  if (!/^(postgres(ql)?:\/\/|socket:\/|\/)/i.test(url)) {
    const scheme = /^[a-z][a-z\d+.-]*:\/\//i.exec(url)?.[0]
    return scheme === undefined ? '' : ` (it begins with ${scheme}, and this service needs PostgreSQL)`
  }
  try {
    // The constructor does not connect, but it reads the certificates that the URL names.
    const { host, port } = new pg.Client(url)
    if (host.includes(',')) return ' (it names several hosts, the driver takes one)'
    return Number.isInteger(port) ? undefined : ' (its port is not a number)'
  } catch (error) {
    return error instanceof Error ? ` (${error.message})` : ''
  }
}
