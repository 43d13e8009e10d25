import type { Piece } from '../../engine/piece.ts'

/** Runs jobs and schedules from Postgres. It comes with the first of them. */
export const worker: Piece = {
  name: 'worker',
  summary: 'what runs jobs and schedules',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/workers.ts',
      within: 'workers',
      as: 'item',
      call: 'jobsWorker',
      from: './jobs.ts',
      takes: ['Platform'],
    },
    {
      file: 'src/platform/schemas.ts',
      within: 'schemas',
      as: 'item',
      call: 'workerSchema',
      from: './jobs/schema.ts',
      takes: [],
    },
    {
      file: 'test/support/probe.routes.ts',
      within: 'routes',
      as: 'element',
      call: 'probeJobRoutes',
      from: './probe.jobs.ts',
      takes: ['Platform'],
    },
  ],
  migration: false,
  leaves: 'The schema graphile_worker stays, and nothing runs its jobs any more: drop it once none is left.',
  dependencies: { 'graphile-worker': '^0.17.3' },
}
