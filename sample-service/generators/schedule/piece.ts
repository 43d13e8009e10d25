import { cronFrom } from '../cron.ts'
import type { Piece } from '../piece.ts'
import { worker } from '../worker/piece.ts'

/** Work that is done by the clock, once for each tick over all instances. */
export const schedule: Piece = {
  name: 'schedule',
  summary: 'work by the clock: --cron "0 3 * * *"',
  takes: 'name',
  folder: import.meta.dirname,
  needs: worker,
  flag: {
    name: 'cron',
    message: 'When (minute hour day month weekday, in UTC):',
    inFiles: '0 3 * * *',
    parse: cronFrom,
  },
  wirings: [
    {
      file: 'src/jobs.ts',
      within: 'jobs',
      as: 'item',
      call: 'widgetSchedule',
      from: './widget/widget.schedule.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
}
