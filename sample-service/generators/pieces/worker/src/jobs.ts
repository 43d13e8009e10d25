import type { Job } from './platform/jobs/jobs.ts'
import type { Platform } from './platform/platform.ts'
import { jobWorker } from './platform/jobs/worker.ts'
import type { Worker } from './platform/lifecycle/workers.ts'

/** How many jobs one process runs at the same time. */
const concurrency = 4

/** The jobs and schedules, on one page. */
export function jobs(_platform: Platform): Job[] {
  return []
}

/** What runs them, beside the requests. */
export function jobsWorker(platform: Platform): Worker {
  return jobWorker(platform, jobs(platform), { concurrency })
}
