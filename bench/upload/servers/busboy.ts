import { Busboy } from '@fastify/busboy'
import type { BusboyHeaders } from '@fastify/busboy'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { serve } from './serve.ts'

/** busboy as its README shows it: file.pipe(createWriteStream()). */
serve(async (request, directory) => {
  const parser = new Busboy({ headers: request.headers as BusboyHeaders })
  const stored: Promise<void>[] = []
  parser.on('file', (_field, file) =>
    stored.push(pipeline(file, createWriteStream(join(directory, 'busboy')))),
  )
  await pipeline(request, parser)
  await Promise.all(stored)
})
