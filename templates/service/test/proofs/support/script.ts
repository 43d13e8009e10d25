import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A small program in its own process, for tests that would end the test's process. */
export interface RunningScript extends AsyncDisposable {
  /** Resolves when the program has written `text` to stdout; rejects if it ends before. */
  says(text: string): Promise<void>
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended and all of its output has been read. */
  readonly exit: Promise<{
    code: number | null
    signal: NodeJS.Signals | null
    stdout: string
    stderr: string
  }>
}

const context = fileURLToPath(new URL('../../../src/context/', import.meta.url))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

/**
 * Starts `source`, an ES module with imports as in src/context. It is killed when the binding's block ends, if it has not ended
 * before.
 */
export function runScript(source: string, flags: string[] = []): RunningScript {
  const child = spawn(process.execPath, [...flags, '--import', tsx, '--input-type=module', '-e', source], {
    cwd: context,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.stderr += text))
  let gone = false
  const exit = once(child, 'close').then(() => {
    gone = true
    return { code: child.exitCode, signal: child.signalCode, ...written }
  })

  return {
    exit,
    async says(text) {
      while (!written.stdout.includes(text)) {
        if (gone)
          throw new Error(`the script ended without saying '${text}': ${written.stdout}${written.stderr}`)
        await Promise.race([once(child.stdout, 'data'), exit])
      }
    },
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      if (!gone) child.kill('SIGKILL')
      await exit
    },
  }
}
