import { ignoreBrokenPipe } from '../../scripts/broken-pipe.ts'
import { commandLine } from '../../scripts/command-line.ts'
import { runAdd } from './run-add.ts'

/*
 * npm run add -- <piece> <name> [flags]; help.ts describes the flags, run-add.ts implements them.
 *
 * It calls the same function as `npx plop`, and each of plop's questions is a flag of the same name. It plans in memory, shows
 * the plan, and writes the whole plan or nothing. A second run changes nothing. Exit codes: 0, even if there was nothing to do;
 * 1 with one sentence on stderr if it cannot add, and then no file has changed; 130 after Ctrl-C. If a run was killed while it
 * wrote, the next one finishes it first. Each obstacle, here and in the pieces, is an Error of one such sentence. ts-morph,
 * prettier and plop are loaded when needed: together they take more than a second.
 */

const stop = new AbortController()

ignoreBrokenPipe()
// With `on`, not `once`: a second Ctrl-C must not end the process before it has cleaned up.
process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort())
process.exitCode = await runAdd(commandLine(), {
  env: process.env,
  stop: stop.signal,
  terminal: process.stdin.isTTY && process.stdout.isTTY,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
})
