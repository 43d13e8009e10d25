/**
 * Lets this process finish its work after the reader of its output has ended, as in `npm run verify | head -1`; by default Node
 * ends the process with the stack of EPIPE. If a write fails for another reason, such as a full disk, the process prints the
 * reason on stderr, finishes its work, and exits with 1.
 */
export function ignoreBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') return
      if (stream === process.stdout)
        process.stderr.write(`The output cannot be written (${error.message}).\n`)
      // On exit, because the program sets its own exit code before.
      process.once('exit', () => {
        if (!process.exitCode) process.exitCode = 1
      })
    })
  }
}
