import { spawn, type ChildProcess } from 'node:child_process'

/**
 * Ends `child` when this process has ended, even by kill -9, which no handler can catch: a shell at the other end of a pipe waits
 * until the pipe closes. The shell deletes `remove` once `child` has ended. Does nothing on Windows, which may have no shell.
 */
export function endWithThisProcess(child: ChildProcess, signal: 'INT' | 'TERM', remove?: string): void {
  if (process.platform === 'win32' || child.pid === undefined) return
  const script =
    'read -r _; kill -$1 $2; [ -n "$3" ] || exit; while kill -0 $2; do sleep 0.1; done; rm -rf -- "$3"'
  const shell = spawn('sh', ['-c', script, 'watchdog', signal, String(child.pid), remove ?? ''], {
    // In a group of its own: Ctrl-C in the terminal must not end it first.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => undefined)
  child.once('exit', () => shell.kill('SIGKILL'))
}
