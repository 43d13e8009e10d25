/**
 * Lets this process go on when nobody reads its output any more, as in `npm run verify | head -1`: what it prints is lost,
 * and the work is done to its end. Without this Node ends the process with the stack of EPIPE.
 */
export function ignoreBrokenPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
    })
  }
}
