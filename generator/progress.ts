import type { Writable } from 'node:stream'
import type { Context } from '../templates/service/src/context/context.ts'

/** Where progress is printed: stdout, or stderr if a program reads stdout. */
export interface Screen {
  readonly stream: Writable
  /** Whether a printed line can be rewritten. */
  readonly animated: boolean
}

/** Prints one line. */
export function say(screen: Screen, line: string): void {
  screen.stream.write(`${line}\n`)
}

/**
 * Does `work` and prints its progress: on a terminal one line that counts the seconds, elsewhere one line before and one after.
 * It does not use clack's spinner, which reads the keyboard and calls process.exit(0) on Ctrl-C, before any clean-up.
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
