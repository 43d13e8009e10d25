import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startBroker, type TestBroker } from './broker.ts'
import {
  another,
  startService,
  type LogLine,
  type RunningService,
  type RunningTest,
  type StartedProcess,
} from './service.ts'

/** The type of the events that probe.consumers.ts handles. */
export const type = 'probe-v1'

/** A service that handles events, and its broker. */
export interface Started {
  readonly broker: TestBroker
  readonly service: RunningService
}

/** Starts both. */
export async function start(
  t: RunningTest,
  env: Record<string, string> = {},
  running?: TestBroker,
): Promise<Started> {
  const broker = running ?? (await startBroker(t))
  const service = await startService(t, { probe: true, env: { BROKER_URL: broker.url, ...env } })
  await service.sql('create table effects (number serial, key text, text text); create sequence tries')
  return { broker, service }
}

/** Sends an event to the handler of probe.consumers.ts. @returns its id */
export function send(broker: TestBroker, key: string, text: string, id?: string): Promise<string> {
  return broker.send(type, key, { key, text }, id === undefined ? {} : { id })
}

/** What the handlers have written for the key, in the order of their commits. */
export async function effects(service: RunningService, key = 'a'): Promise<unknown[]> {
  const rows = await service.sql('select text from effects where key = $1 order by number', [key])
  return rows.map(({ text }) => text)
}

/** Returns whether a line of the log gives the event this outcome. */
export function outcome(expected: string, id: string) {
  return (line: LogLine): boolean =>
    line.msg === 'event' && line['eventId'] === id && line['outcome'] === expected
}

/** Runs `npm run parked`. @returns what it prints */
export async function parked({ databaseUrl }: RunningService, ...args: string[]): Promise<string> {
  const command = ['--import', './scripts/tsx.js', 'scripts/events/parked.ts', ...args]
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  return (await promisify(execFile)(process.execPath, command, { env })).stdout
}

/** One more instance, on the same database. */
export function anotherHandler(t: RunningTest, service: RunningService, broker: TestBroker): StartedProcess {
  return another(t, service, { probe: true, env: { BROKER_URL: broker.url } })
}
