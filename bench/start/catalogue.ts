import { reference as bare, subjects as shipped, type Subject as Served } from '../shipped/catalogue.ts'

/** One measured program. */
export interface Subject extends Omit<Served, 'wanted'> {
  /** The goal: its time, divided by that of bare Hono. */
  readonly wanted?: number
}

export const reference: Subject = named(bare, "bare Hono's first answer")

/** Each until it listens. */
export const subjects: readonly Subject[] = [
  { ...shippedAs('all', 'the emitted service, all on'), wanted: 2.5 },
  shippedAs('traces-off', 'the same, traces off'),
  { ...shippedAs('all-off', 'the same, log, traces and metrics off'), wanted: 1.8 },
]

function shippedAs(name: string, title: string): Subject {
  const found = shipped.find((each) => each.name === name)
  if (found === undefined) throw new Error(`bench:shipped has no subject ${name}`)
  return named(found, title)
}

function named({ name, program, env }: Served, title: string): Subject {
  return { name, title, program, env }
}
