import { linesOf, type TreeNode } from './tree.ts'

/** The styles of util.styleText that the demo uses. */
export type Style = 'bold' | 'dim' | 'strikethrough' | 'green' | 'yellow' | 'magenta' | 'cyan' | 'red'

/** Text, and the styles to draw it in, if any. */
export type Segment = readonly [text: string, ...styles: Style[]]
export type Line = readonly Segment[]

/** What the picture shows of a context's end. Milliseconds count from the event that ended the request. */
export interface ShownEnd {
  /** `ClientDisconnected`, `SIGTERM` …; undefined if its work finished by itself. */
  readonly cause: string | undefined
  /** The result: `200`, `exit 0`. */
  readonly note: string | undefined
  readonly afterMs: number | undefined
  /** When the work below it had returned. */
  readonly backAfterMs: number | undefined
}

/** A statement of this scene, running or not. */
export interface ShownStatement {
  readonly pid: number
  readonly text: string
  readonly forMs: number
  readonly running: boolean
  /** Milliseconds until it ended; undefined if it finished by itself. */
  readonly goneAfterMs: number | undefined
}

/** The content of one frame. */
export interface View {
  readonly title: string
  readonly step: string
  /** Epoch milliseconds. */
  readonly now: number
  readonly tree: TreeNode | undefined
  readonly endOf: (node: TreeNode) => ShownEnd | undefined
  readonly statements: readonly ShownStatement[]
  readonly moment: readonly Line[]
}

const colours: Readonly<Record<string, Style>> = {
  ClientDisconnected: 'yellow',
  DeadlineExceeded: 'magenta',
  ServerShutdown: 'cyan',
  SIGTERM: 'cyan',
}

/** The colour of a cause, the same everywhere. */
export function colourOf(cause: string | undefined): Style {
  return colours[cause ?? ''] ?? 'red'
}

/** The lines of a frame, each at most `width` columns wide. */
export function frame(view: View, width: number): Line[] {
  const inner = width - 4
  const running = view.statements.filter((each) => each.running).length
  const lines: Line[] = [
    spread([['mainstem', 'bold', 'green'], ['  '], [view.title, 'bold']], [[view.step, 'dim']], inner),
    [['─'.repeat(inner), 'dim']],
    [],
    ...(view.tree === undefined ? [] : linesOf(view.tree)).map(({ node, branches }) =>
      contextLine(view, node, branches, inner),
    ),
    [],
    spread(
      [
        ['PostgreSQL', 'bold'],
        ['  pg_stat_activity', 'dim'],
      ],
      [
        [`${running}`, 'bold', running === 0 ? 'green' : 'red'],
        [running === 1 ? ' statement active' : ' statements active', running === 0 ? 'green' : 'red'],
      ],
      inner,
    ),
    ...view.statements.map((statement) => statementLine(statement, inner)),
    [],
    ...view.moment,
  ]
  return lines.map((line) => cut([['  '], ...line], width))
}

function contextLine(view: View, node: TreeNode, branches: string, width: number): Line {
  const nameWidth = width < 90 ? 30 : 36
  const end = view.endOf(node)
  const name: Line =
    end === undefined
      ? [
          [branches, 'dim'],
          [node.name, 'bold'],
        ]
      : [
          [branches, 'dim'],
          [node.name, end.cause === undefined ? 'green' : colourOf(end.cause)],
        ]
  const state = end === undefined ? liveState(view.now, node, width) : endedState(end)
  return [...padded(name, nameWidth), ...state]
}

function liveState(now: number, node: TreeNode, width: number): Line {
  const age = seconds(now - node.bornAt)
  if (node.deadline === null)
    return [
      ['● ', 'green'],
      [age.padStart(6), 'dim'],
    ]
  const cells = width < 90 ? 18 : 26
  const left = Math.max(0, node.deadline - now)
  const full = Math.ceil((cells * left) / (node.deadline - node.bornAt))
  const colour = left < 1_000 ? 'red' : left < 2_500 ? 'yellow' : 'green'
  return [
    ['● ', 'green'],
    [age.padStart(6), 'dim'],
    ['   '],
    ['━'.repeat(full), colour],
    ['━'.repeat(cells - full), 'dim'],
    [` ${seconds(left)} left`.padStart(12), left < 2_500 ? colour : 'dim'],
  ]
}

function endedState(end: ShownEnd): Line {
  if (end.cause === undefined)
    return [
      ['✓ ', 'green'],
      [end.note ?? 'done', 'green'],
    ]
  const colour = colourOf(end.cause)
  return [
    ['✗ ', colour],
    [end.cause.padEnd(19), 'bold', colour],
    [end.afterMs === undefined ? ''.padEnd(9) : `+${milliseconds(end.afterMs)}`.padEnd(9)],
    [end.backAfterMs === undefined ? '' : `returned +${milliseconds(end.backAfterMs)}`, 'dim'],
  ]
}

function statementLine(statement: ShownStatement, width: number): Line {
  const { pid, text, forMs, running, goneAfterMs } = statement
  const id: Segment = [`pid ${pid}`.padEnd(12), 'dim']
  if (running) {
    return padded([['● ', 'red'], id, [seconds(forMs).padStart(8), 'dim'], ['   '], [text]], width)
  }
  const how = goneAfterMs === undefined ? 'done' : `+${milliseconds(goneAfterMs)}`
  return padded(
    [['○ ', 'green'], id, [how.padStart(8), 'green'], ['   '], [text, 'dim', 'strikethrough']],
    width,
  )
}

/** `1.4 s` */
export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`
}

/** `12 ms`. */
export function milliseconds(ms: number): string {
  return `${Math.max(0, Math.round(ms))} ms`
}

function widthOf(line: Line): number {
  return line.reduce((sum, [text]) => sum + text.length, 0)
}

function padded(line: Line, width: number): Line {
  return [...line, [' '.repeat(Math.max(0, width - widthOf(line)))]]
}

function spread(left: Line, right: Line, width: number): Line {
  return [...padded(left, width - widthOf(right)), ...right]
}

function cut(line: Line, width: number): Line {
  let room = width
  return line.map(([text, ...styles]): Segment => {
    const part = text.slice(0, room)
    room -= part.length
    return [part, ...styles]
  })
}
