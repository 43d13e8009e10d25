import type { Piece } from '../../engine/piece.ts'
import { inProbes, inSchemas, inWorkers } from '../../engine/places.ts'

/** Runs jobs and schedules from Postgres. It comes with the first of them. */
export const worker: Piece = {
  name: 'worker',
  summary: 'what runs jobs and schedules',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    { ...inWorkers, call: 'jobsWorker', from: './jobs.ts' },
    { ...inSchemas, call: 'workerSchema', from: './jobs/schema.ts' },
    { ...inProbes, call: 'probeJobRoutes', from: './probe.jobs.ts' },
  ],
  leaves: 'The schema graphile_worker stays, and nothing runs its jobs any more: drop it once none is left.',
  dependencies: { 'graphile-worker': '^0.17.3' },
}
