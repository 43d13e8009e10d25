import { ignoreBrokenPipe } from '../../scripts/broken-pipe.ts'
import { commandLine } from '../../scripts/command-line.ts'
import { runAdd } from './run-add.ts'

/*
 * npm run add -- <piece> <name> [flags]; help.ts describes the flags, run-add.ts does what they say.
 *
 * It adds what `npx plop` adds, by the same function, and each of plop's questions is a flag of the same name.
 * It plans in memory, shows the plan, and writes all of it or nothing. A second run finds nothing to do. Exit code 0, even when
 * there was nothing to do; 1 with one sentence on stderr when something is in the way, and then no file has changed; 130 after
 * Ctrl-C. If a run was killed while it wrote, the next one finishes that first. Whatever is in the way, here and in the pieces, is
 * an Error of one such sentence. ts-morph, prettier and plop are loaded when they are needed: together they take more than a second.
 */

const stop = new AbortController()

ignoreBrokenPipe()
// Every time, not once: a second Ctrl-C must not end the process before it has cleaned up.
process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort())
process.exitCode = await runAdd(commandLine(), {
  env: process.env,
  stop: stop.signal,
  terminal: process.stdin.isTTY && process.stdout.isTTY,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
})
