import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'
import type { Line } from './picture.ts'

/** The output of the demo: a terminal, where each frame replaces the last, or plain lines, one per event. */
export interface Screen {
  /** Whether it draws frames. Otherwise it prints events. */
  readonly animated: boolean
  readonly columns: number
  draw(lines: readonly Line[]): void
  /** Prints a line: at once without frames, else when they are over. */
  tell(...line: Line): void
  /** Restores the terminal, and prints the lines. May be called twice. */
  close(): void
}

const escape = '\u001b['
const alternateOn = `${escape}?1049h${escape}?25l`
const alternateOff = `${escape}?25h${escape}?1049l`
/** Between these two sequences, a terminal that supports them shows no half-drawn frame; others ignore them. */
const [frameBegins, frameEnds] = [`${escape}?2026h`, `${escape}?2026l`]
const home = `${escape}H`
const clearLine = `${escape}K`
const clearBelow = `${escape}J`

/** The size that a frame needs. */
const least = { columns: 80, rows: 24 }

/**
 * Opens a screen on `out`: with frames if it is a terminal of at least 80×24, in colour unless NO_COLOR
 * or the terminal forbids it.
 */
export function openScreen(out: WriteStream): Screen {
  const terminal = out.isTTY && process.env['TERM'] !== 'dumb'
  const animated = terminal && out.columns >= least.columns && out.rows >= least.rows
  const coloured = terminal && out.hasColors()
  const text = (line: Line): string =>
    line
      .map(([part, ...styles]) => (coloured ? styled(part, styles) : part))
      .join('')
      .trimEnd()
  const told: string[] = []
  let open = animated
  if (animated) out.write(alternateOn)
  const close = (): void => {
    if (!open) return
    open = false
    out.write(alternateOff)
    for (const line of told) out.write(`${line}\n`)
  }
  process.once('exit', close)

  return {
    animated,
    get columns() {
      return animated ? Math.min(out.columns, 112) : least.columns
    },
    draw(lines) {
      if (!open) return
      // The last row stays empty: a line break there would scroll.
      const rows = lines.slice(0, out.rows - 1).map((line) => `${text(line)}${clearLine}\n`)
      out.write(frameBegins + home + rows.join('') + clearBelow + frameEnds)
    },
    tell(...line) {
      if (open) told.push(text(line))
      else out.write(`${text(line)}\n`)
    },
    close,
  }
}

function styled(
  text: string,
  styles: Line[number] extends readonly [string, ...infer S] ? S : never,
): string {
  // The screen has already checked the terminal: styleText would check stdout again, differently in each Node.
  return styles.length === 0 ? text : styleText([...styles], text, { validateStream: false })
}
