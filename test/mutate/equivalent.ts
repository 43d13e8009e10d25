import type { Mutant } from './mutants.ts'

/** A change without a visible effect, and why. The text of its line identifies it, because lines move. */
export interface Equivalent {
  readonly file: string
  /** The line as it is, without its indentation. */
  readonly line: string
  readonly was: string
  readonly now: string
  readonly reason: string
}

const logsNoValues = 'a line of the log takes the values of its context, of which the root has none'
const traceOfItsOwn = 'a trace of its own, below a context that neither ends nor has values, as the root'
const noTree = 'the root ends as little, and this process shows no tree'
const finishWithDetaches = 'finishWith takes only the values of it: it detaches by itself'

export const equivalents: readonly Equivalent[] = [
  {
    file: 'src/context/sleep.ts',
    line: 'using nap = withTimeout(ctx, Math.max(1, ms))',
    was: 'using ',
    now: 'const ',
    reason: 'the function goes on only when nap has ended: `await ended(nap)` does not reject',
  },
  {
    file: 'src/documents/documents.uploads.ts',
    line: 'if (!(error instanceof CommitOutcomeUnknown)) await removeContents(ctx, platform, ids)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'removeContents takes nothing but the values of it: it detaches by itself',
  },
  {
    file: 'src/main.ts',
    line: 'log.fatal(root, `start-up failed: ${errorOf(error).message}`, { tookMs: opened.openMs })',
    was: 'root',
    now: 'strangerContext()',
    reason: logsNoValues,
  },
  {
    file: 'src/main.ts',
    line: "const ctx = startTrace(root, 'shutdown')",
    was: 'root',
    now: 'strangerContext()',
    reason: traceOfItsOwn,
  },
  {
    file: 'src/main.ts',
    line: "await opened.close(startTrace(root, 'shutdown'), flushMsOf(process.env))",
    was: 'root',
    now: 'strangerContext()',
    reason: traceOfItsOwn,
  },
  {
    file: 'src/migrate.ts',
    line: 'log.fatal(root, `cannot migrate: ${errorOf(error).message}`)',
    was: 'root',
    now: 'strangerContext()',
    reason: logsNoValues,
  },
  {
    file: 'src/migrate.ts',
    line: 'using flushing = withTimeout(root, flushMsOf(process.env))',
    was: 'root',
    now: 'strangerContext()',
    reason: noTree,
  },
  {
    file: 'src/migrate.ts',
    line: "using stop = withSignals(root, 'SIGTERM', 'SIGINT')",
    was: 'root',
    now: 'strangerContext()',
    reason: noTree,
  },
  {
    file: 'src/platform/telemetry/diagnostics.ts',
    line: 'log.warn(root, `telemetry: ${sentence}`, held > 0 ? { repeated: held } : {})',
    was: 'root',
    now: 'strangerContext()',
    reason: logsNoValues,
  },
  {
    file: 'src/platform/telemetry/diagnostics.ts',
    line: 'const detail = (message: string): void => log.debug(root, `telemetry: ${message}`)',
    was: 'root',
    now: 'strangerContext()',
    reason: logsNoValues,
  },
  {
    file: 'src/platform/http/stop.ts',
    line: "log.error(exchange.ctx ?? ctx, 'abandoned: a handler did not end with its context', {",
    was: 'exchange.ctx ?? ctx',
    now: 'withoutCancel(exchange.ctx ?? ctx)',
    reason: 'a line of the log takes the values of its context and nothing else',
  },
  {
    file: 'src/platform/telemetry/span.ts',
    line: 'return traceOf(ctx)?.traceFlags === TraceFlags.NONE ? undefined : tracer()',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'the trace of a context is one of its values',
  },
  {
    file: 'src/platform/database/database.ts',
    line: 'noteStart(ctx, body, failure)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'the request and the trace of a context are values of it',
  },
  {
    file: 'src/platform/database/connection.ts',
    line: 'this.#send(ctx, { text }, undefined),',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'this ctx is that of statementSpan, which has been detached already',
  },
  {
    file: 'src/platform/database/transaction.ts',
    line: "await connection.finishWith(ctx, 'SAVEPOINT part', answerBudgetMs)",
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: finishWithDetaches,
  },
  {
    file: 'src/platform/database/transaction.ts',
    line: 'await connection.finishWith(ctx, undo, answerBudgetMs).catch(() => undefined)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: finishWithDetaches,
  },
  {
    file: 'src/platform/http/stop.ts',
    line: 'const workDone = work.stop(ctx)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason:
      'the context of a shutdown hangs from the root and does not end: its phases have deadlines of their own',
  },
  {
    file: 'src/platform/telemetry/telemetry.ts',
    line: 'const [traces, sdk] = await until(ctx, loading)',
    was: 'ctx',
    now: 'withoutCancel(ctx)',
    reason: 'what is waited for are modules on the disk, whose import nothing from outside can hold up',
  },
]

/** The entry for `mutant`, a change in the line of text `line`; undefined if it has none. */
export function equivalentOf(mutant: Mutant, line: string): Equivalent | undefined {
  return equivalents.find(
    (each) =>
      each.file === mutant.file && each.line === line && each.was === mutant.was && each.now === mutant.now,
  )
}

/** Throws an Error that names each entry for which none of the `mutants`, all those of these files, is left. */
export function refuseStale(mutants: readonly Mutant[], lineOf: (mutant: Mutant) => string): void {
  const used = new Set(mutants.map((mutant) => equivalentOf(mutant, lineOf(mutant))))
  const stale = equivalents.filter((each) => !used.has(each))
  if (stale.length === 0) return
  const list = stale.map(({ file, line, now }) => `  ${file}: ${line} → ${now}`).join('\n')
  throw new Error(`test/mutate/equivalent.ts has entries for code that is gone: mend or remove them\n${list}`)
}
