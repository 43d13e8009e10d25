import type { Job } from './platform/jobs/jobs.ts'
import type { Platform } from './platform/platform.ts'
import { jobWorker } from './platform/jobs/worker.ts'
import type { Worker } from './platform/lifecycle/workers.ts'

/** How many jobs one process runs at the same time. */
const concurrency = 4

/** All jobs and schedules. */
export function jobs(_platform: Platform): Job[] {
  return []
}

/** Makes the worker that runs them in the background. */
export function jobsWorker(platform: Platform): Worker {
  return jobWorker(platform, jobs(platform), { concurrency })
}
