import { existsSync } from 'node:fs'

/**
 * Ends the process with `code`, or else with `process.exitCode`, as process.exit does, but without waiting for a name server that
 * does not answer. process.exit waits for the threads of Node, and looking up a name takes one: for 10 s by default, and as much
 * again for each domain in the `search` of resolv.conf.
 */
export function exit(code?: number): never {
  if (code !== undefined) process.exitCode = code
  // Added last: the log's own listener has written the rest of the log by then.
  if (process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap')) process.once('exit', leaveThreads)
  process.exit()
}

/** Becomes another program, which ends at once with `code`: it keeps the number of the process, and has none of its threads. */
function leaveThreads(code: number): void {
  if (process.platform === 'win32') return
  // The types of Node 20 lack it; Node has it from 22.15 on.
  const { execve } = process as { execve?: (file: string, args: string[], env: object) => void }
  const env = { ...process.env, NODE_OPTIONS: '' }
  try {
    // A program that is gone would abort this one.
    if (existsSync(process.execPath))
      execve?.call(process, process.execPath, [process.execPath, '-e', `process.exit(${code})`], env)
  } catch {
    // Node does not permit it, under --permission.
  }
  // An older Node has no way to end at once with a code. It waits if the code is 0, because a stop that went well must say so.
  if (code !== 0) process.kill(process.pid, 'SIGKILL')
}
