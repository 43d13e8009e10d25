import { execFileSync } from 'node:child_process'

/** What the keys of `npm run dev` do. */
export interface Keys {
  restart(): void
  seed(): void
  clear(): void
  help(): void
  quit(): void
}

/**
 * Calls `keys` for r, s, c, h and q; Ctrl-C quits, and Ctrl-Z suspends this process until `fg`.
 * @returns whether it reads keys: stdin is a terminal, and this process is not in its background
 */
export function readKeys(keys: Keys): boolean {
  const { stdin } = process
  if (!stdin.isTTY || !isInForeground()) return false
  // The terminal hands over each key at once, and no longer makes signals of Ctrl-C and Ctrl-Z.
  stdin.setRawMode(true)
  stdin.setEncoding('utf8').on('data', (typed) => {
    for (const key of String(typed)) {
      if (key === 'r') keys.restart()
      else if (key === 's') keys.seed()
      else if (key === 'c') keys.clear()
      else if (key === 'h' || key === '?') keys.help()
      else if (key === 'q' || key === '\u0003') keys.quit()
      else if (key === '\u001a') suspend()
    }
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
