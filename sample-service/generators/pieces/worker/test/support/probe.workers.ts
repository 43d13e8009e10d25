import { jobs } from '../../src/jobs.ts'
import type { Platform } from '../../src/platform/platform.ts'
import { jobWorker } from '../../src/platform/jobs/worker.ts'
import type { Worker } from '../../src/platform/lifecycle/workers.ts'
import { probeJobs } from './probe.jobs.ts'

/** Replaces src/workers.ts: the service's jobs, and the jobs of the guarantees. */
export function workers(platform: Platform): Worker[] {
  return [jobWorker(platform, [...jobs(platform), ...probeJobs(platform)], { concurrency: 4 })]
}
