import { colourOf, milliseconds } from './picture.ts'
import { scenes } from './scenes.ts'
import { openScreen, type Screen } from './screen.ts'
import { Stage, type Outcome, type Pace } from './stage.ts'
import { startSubject } from './subject.ts'
import { ignoreBrokenPipe } from '../templates/service/scripts/broken-pipe.ts'
import { readFlags } from '../templates/service/scripts/command-line.ts'
import { stopSignal } from '../sample-service/scripts/dev/stopping.ts'

const forPeople: Pace = {
  frameMs: 80,
  runMs: 4_000,
  deadlineMs: 4_000,
  drainMs: 3_000,
  quickMs: 3_500,
  stepMs: 110,
  holdMs: 2_500,
}
const forTests: Pace = {
  frameMs: 40,
  runMs: 300,
  deadlineMs: 1_500,
  drainMs: 800,
  quickMs: 500,
  stepMs: 0,
  holdMs: 0,
}

/**
 * `npm run demo [-- --fast]`: runs the sample service on its own PostgreSQL, and shows how a slow request ends when its client
 * hangs up, its deadline passes, or the service gets SIGTERM. Everything it draws comes from the running service
 * (`/debug/contexts`, its log, the spans it exports) and from `pg_stat_activity`. Without a terminal it prints a line for each
 * event. Exits with 1 if the service breaks a promise. It leaves nothing behind, even on Ctrl-C.
 */
async function demo(pace: Pace, screen: Screen, stop: AbortSignal): Promise<void> {
  const opened: (() => Promise<unknown>)[] = []
  const outcomes: Outcome[] = []
  try {
    const subject = await startSubject(
      stop,
      pace.drainMs,
      (close) => opened.push(close),
      (step) => announce(screen, step),
    )
    const stage = new Stage(subject, screen, pace, stop)
    for (const [i, scene] of scenes.entries()) {
      outcomes.push(await stage.play(scene, `${i + 1}/${scenes.length}`))
    }
    tellCard(screen, outcomes)
  } finally {
    // Restore the terminal first: closing the rest takes a moment.
    screen.close()
    for (let close = opened.pop(); close !== undefined; close = opened.pop()) {
      await close().catch((error: unknown) => console.error(error))
    }
  }
}

function announce(screen: Screen, step: string): void {
  if (screen.animated)
    screen.draw([[], [['  '], ['mainstem', 'bold', 'green']], [], [['  starting: ', 'dim'], [step]]])
  else screen.tell([`starting: ${step}`])
}

function tellCard(screen: Screen, outcomes: readonly Outcome[]): void {
  screen.tell()
  for (const { scene, contexts, statements, freeMs } of outcomes) {
    screen.tell(
      ['  ✓ ', 'green'],
      [scene.cause.padEnd(20), 'bold', colourOf(scene.cause)],
      [`${contexts} contexts, ${statements} statements   `],
      ['Postgres free after ', 'dim'],
      [milliseconds(freeMs).padStart(6), 'bold'],
    )
  }
  screen.tell()
  screen.tell(['  0 statements left', 'bold', 'green'], [' in Postgres, exit code 0.', 'dim'])
}

ignoreBrokenPipe()
const values = readFlags('demo', 'shows what ends when a request ends', {
  fast: { type: 'boolean', default: false },
})
const stop = stopSignal()
const screen = openScreen(process.stdout)
let code = 0
try {
  await demo(values.fast ? forTests : forPeople, screen, stop)
} catch (error) {
  code = stop.aborted ? 130 : 1
  console.error(`demo: ${stop.aborted ? 'stopped' : error instanceof Error ? error.message : String(error)}`)
}
process.exit(code)
