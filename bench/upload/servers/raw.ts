import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { serve } from './serve.ts'

/** The floor: nothing is parsed, hashed, synced or remembered. */
serve(async (request, directory) => {
  await pipeline(request, createWriteStream(join(directory, 'raw')))
})
