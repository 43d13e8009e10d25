import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { serve } from './serve.ts'

/** The floor: it does not parse, hash, sync or record anything. */
serve(async (request, directory) => {
  await pipeline(request, createWriteStream(join(directory, 'raw')))
})
