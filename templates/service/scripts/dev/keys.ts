import { execFileSync } from 'node:child_process'

/**
 * Calls the function that `keys` has for a typed key, and `quit` on Ctrl-C; Ctrl-Z suspends this process until `fg`.
 * @returns whether it reads keys, which it does if stdin is a terminal and this process is in its foreground
 */
export function readKeys(keys: Readonly<Record<string, () => void>>, quit: () => void): boolean {
  const { stdin } = process
  if (!stdin.isTTY || !isInForeground()) return false
  // In raw mode the terminal passes on each key at once, and sends no signals for Ctrl-C and Ctrl-Z.
  stdin.setRawMode(true)
  const all = new Map(Object.entries({ ...keys, '\u0003': quit, '\u001a': suspend }))
  stdin.setEncoding('utf8').on('data', (typed) => {
    for (const key of String(typed)) all.get(key)?.()
  })
  process.on('SIGCONT', () => isInForeground() && stdin.setRawMode(true))
  return true
}

/** Stops the whole process group, npm included, as the terminal would. */
function suspend(): void {
  process.stdin.setRawMode(false)
  process.kill(0, 'SIGTSTP')
}

/** Reading the terminal from the background (`npm run dev &`) would stop the process. */
function isInForeground(): boolean {
  try {
    const ids = execFileSync('ps', ['-o', 'pgid=,tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
    const [group, foreground] = ids.trim().split(/\s+/)
    return group === foreground
  } catch {
    // There is no ps: on Windows, which has no background processes, or in a small container.
    return process.platform === 'win32'
  }
}
