import { execFileSync } from 'node:child_process'

/**
 * Calls what `keys` has for a typed key, and `quit` for Ctrl-C; Ctrl-Z suspends this process until `fg`.
 * @returns whether it reads keys: stdin is a terminal, and this process is not in its background
 */
export function readKeys(keys: Readonly<Record<string, () => void>>, quit: () => void): boolean {
  const { stdin } = process
  if (!stdin.isTTY || !isInForeground()) return false
  // The terminal hands over each key at once, and no longer makes signals of Ctrl-C and Ctrl-Z.
  stdin.setRawMode(true)
  const all = new Map(Object.entries({ ...keys, '\u0003': quit, '\u001a': suspend }))
  stdin.setEncoding('utf8').on('data', (typed) => {
    for (const key of String(typed)) all.get(key)?.()
  })
  process.on('SIGCONT', () => isInForeground() && stdin.setRawMode(true))
  return true
}

/** As the terminal does it: it stops the whole process group, npm included. */
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
    // No ps: Windows, where nothing is in the background, or a small container.
    return process.platform === 'win32'
  }
}
