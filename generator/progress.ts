import type { Writable } from 'node:stream'
import type { Context } from '../templates/service/src/context/context.ts'

/** Where people read what goes on: stdout, or stderr where stdout is for a program. */
export interface Screen {
  readonly stream: Writable
  /** A line that is under way can be rewritten. */
  readonly animated: boolean
}

/** Prints one line. */
export function say(screen: Screen, line: string): void {
  screen.stream.write(`${line}\n`)
}

/**
 * Does `work` while the screen says so: on a terminal one line with the seconds gone by, elsewhere one line before and
 * one after. Not clack's spinner: that reads the keyboard while it turns, and answers Ctrl-C with process.exit(0), so
 * nothing could be cleaned up.
 */
export async function step<T>(
  ctx: Context,
  screen: Screen,
  title: string,
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const started = performance.now()
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1)
  const draw = (): void => void screen.stream.write(`\r\u001b[2K${title} … ${seconds()} s`)
  const timer = screen.animated ? setInterval(draw, 100) : undefined
  if (screen.animated) draw()
  else say(screen, `${title} …`)
  let end = 'failed'
  try {
    const result = await work(ctx)
    end = 'done'
    return result
  } finally {
    clearInterval(timer)
    say(screen, `${screen.animated ? '\r\u001b[2K' : ''}${title}: ${end} in ${seconds()} s`)
  }
}
