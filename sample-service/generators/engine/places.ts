import { stampNames, type Noun } from './names.ts'
import type { Member, Piece, Wiring } from './piece.ts'

/** A place in the service that calls what pieces stamp. A piece adds `call` and `from`. */
type Place = Omit<Wiring, 'call' | 'from'>

/** The routes of the service. */
export const inRoutes: Place = { file: 'src/routes.ts', within: 'routes', as: 'element', takes: ['Platform'] }

/** The guards before every route that is not open. */
export const inGuards: Place = { file: 'src/routes.ts', within: 'guards', as: 'item', takes: ['Platform'] }

/** The background workers. */
export const inWorkers: Place = { file: 'src/workers.ts', within: 'workers', as: 'item', takes: ['Platform'] }

/** The jobs that the worker runs. `add job` and `add schedule` add the file. */
export const inJobs: Place = { file: 'src/jobs.ts', within: 'jobs', as: 'item', takes: ['Platform'] }

/** The tables of libraries, which need no migration of the service. */
export const inSchemas: Place = { file: 'src/platform/schemas.ts', within: 'schemas', as: 'item', takes: [] }

/** The routes that only the tests of the service have. */
export const inProbes: Place = {
  file: 'test/support/probe.routes.ts',
  within: 'routes',
  as: 'element',
  takes: ['Platform'],
}

/** A variable of the environment. `code` is its schema. */
export function variable(name: string, code: string, more: Pick<Member, 'import' | 'knows'> = {}): Member {
  return { file: 'src/config.ts', within: 'Environment', name, code, ...more }
}

/** A part of the configuration. `code` makes it from `e`, the environment. */
export function configured(name: string, code: string): Member {
  return { file: 'src/config.ts', within: 'loadConfig', name, code, knows: ['e'] }
}

type Code = Pick<Member, 'code' | 'import' | 'knows'>

/** A member of the platform: its value, its type, and the type of the option that it is made from. */
export function onPlatform(name: string, value: Code, type: Code, option: Code = type): Member[] {
  const file = 'src/platform/platform.ts'
  return [
    { file, within: 'openPlatform', name, ...value },
    { file, within: 'Platform', name, ...type },
    { file, within: 'PlatformOptions', name, ...option },
  ]
}

/** The calls to what the piece stamps, with the noun in place of widget. */
export function wiringsOf({ wirings = [] }: Piece, noun: Noun): Wiring[] {
  return wirings.map((wiring) => ({
    ...wiring,
    call: stampNames(wiring.call, noun),
    from: stampNames(wiring.from, noun),
  }))
}
