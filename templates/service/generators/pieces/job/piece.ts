import type { Piece } from '../../engine/piece.ts'
import { inJobs } from '../../engine/places.ts'
import { worker } from '../worker/piece.ts'

/** Work that a request enqueues in a transaction. A worker does it later, even if the request or the process ends. */
export const job: Piece = {
  name: 'job',
  summary: 'work that a transaction enqueues and a worker does later',
  examples: ['send-invoice'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: worker,
  wirings: [{ ...inJobs, call: 'widgetJob', from: './widget/widget.job.ts' }],
}
