/**
 * Ends the process with `code`, or else with `process.exitCode`, as process.exit does; but at once also while a name server does not
 * answer. process.exit waits for the threads of Node, and a name that is looked up holds one for as long as resolv.conf says: 10 s
 * by default, and as much again for each domain in `search`.
 */
export function exit(code?: number): never {
  if (code !== undefined) process.exitCode = code
  // Last, so that the log has written its rest.
  if (process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap')) process.once('exit', leaveThreads)
  process.exit()
}

/** Another program in the same process keeps its number and its code, and no thread. */
function leaveThreads(code: number): void {
  if (process.platform === 'win32') return
  // Types of Node 20 lack it; Node has it from 22.15 on.
  const { execve } = process as { execve?: (file: string, args: string[], env: object) => void }
  execve?.call(process, process.execPath, [process.execPath, '-e', `process.exit(${code})`], {})
  // An older Node has no other way. The system refuses it to process 1 of a container, which waits.
  process.kill(process.pid, 'SIGKILL')
}
