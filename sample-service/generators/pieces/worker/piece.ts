import type { Piece } from '../../engine/piece.ts'
import { inProbes, inSchemas, inWorkers } from '../../engine/places.ts'

/** Runs jobs and schedules from Postgres. `npm run add` adds it with the first of them. */
export const worker: Piece = {
  name: 'worker',
  summary: 'the worker of jobs and schedules',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    { ...inWorkers, call: 'jobsWorker', from: './jobs.ts' },
    { ...inSchemas, call: 'workerSchema', from: './jobs/schema.ts' },
    { ...inProbes, call: 'probeJobRoutes', from: './probe.jobs.ts' },
  ],
  leaves:
    'The schema graphile_worker stays, but nothing runs its jobs any more: drop it once you no longer need them.',
  dependencies: { 'graphile-worker': '^0.17.3' },
}
