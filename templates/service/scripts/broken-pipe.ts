/**
 * Lets this process finish its work when nobody reads its output any more, as in `npm run verify | head -1`. Without this, Node
 * ends the process with the stack of EPIPE. If writing fails for another reason, such as a full disk, the process prints that
 * reason on stderr, finishes its work, and exits with 1.
 */
export function ignoreBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') return
      if (stream === process.stdout)
        process.stderr.write(`The output cannot be written (${error.message}).\n`)
      // At the end, because the program sets its own exit code before.
      process.once('exit', () => {
        if (!process.exitCode) process.exitCode = 1
      })
    })
  }
}
