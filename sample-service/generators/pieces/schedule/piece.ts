import { cronFrom } from './cron.ts'
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
