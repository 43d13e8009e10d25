import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { serve } from './serve.ts'

/** The floor of a durable upload: `flush` syncs the file before it is closed. */
serve(async (request, directory) => {
  await pipeline(request, createWriteStream(join(directory, 'raw'), { flush: true }))
})
