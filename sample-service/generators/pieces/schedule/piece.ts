import type { Piece } from '../../engine/piece.ts'
import { inJobs } from '../../engine/places.ts'
import { worker } from '../worker/piece.ts'

/** Work on a schedule: each tick runs once, whatever the number of instances. */
export const schedule: Piece = {
  name: 'schedule',
  summary: 'work that runs at the times of a cron expression',
  examples: ['nightly-report --cron "0 3 * * *"'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: worker,
  flags: [
    {
      name: 'cron',
      asks: 'Times in UTC (minute, hour, day, month, day of the week), such as "0 3 * * *"',
      check: cronFrom,
    },
  ],
  shape:
    async (_service, _noun, { cron = '' }) =>
    (_path, text) =>
      text.replace('0 3 * * *', cronFrom(cron)),
  wirings: [{ ...inJobs, call: 'widgetSchedule', from: './widget/widget.schedule.ts' }],
}

/** The five fields of a cron expression, with their ranges. Sunday is 0 and 7. */
const fields = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of the month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12 },
  { name: 'day of the week', least: 0, most: 7 },
] as const

/**
 * Returns a cron expression with single spaces, if graphile-worker accepts it: numbers, `a-b`, `*`, `*` with a step, and lists of
 * these with commas. Throws for anything else.
 */
export function cronFrom(typed: string): string {
  const parts = typed.trim().split(/\s+/)
  if (parts.length !== fields.length || parts[0] === '') {
    throw new Error(
      `"${typed}" is not a cron expression: give minute, hour, day, month and day of the week, such as --cron "0 3 * * *".`,
    )
  }
  for (const [i, { name, least, most }] of fields.entries()) {
    const part = parts[i] ?? ''
    if (!part.split(',').every((one) => isWithin(one, least, most))) {
      throw new Error(
        `"${part}" is not a valid ${name} of a cron expression: use numbers from ${least} to ${most}, *, a-b and */n, separated by commas.`,
      )
    }
  }
  return parts.join(' ')
}

function isWithin(part: string, least: number, most: number): boolean {
  const step = /^\*(?:\/(\d{1,3}))?$/.exec(part)
  if (step) return step[1] === undefined || Number(step[1]) >= 1
  const range = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part)
  if (!range) return false
  const from = Number(range[1])
  const to = Number(range[2] ?? range[1])
  return from >= least && to <= most && (range[2] === undefined || from < to)
}
