import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

// Receives the exported spans in its own process, counts them, and returns the count on GET. The parent reads the port.
let spans = 0

async function take(request: IncomingMessage): Promise<void> {
  // resource_spans, in each scope_spans, in each spans:
  // https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
  for (const resource of messages(await buffer(request), 1)) {
    for (const scope of messages(resource, 2)) spans += messages(scope, 2).length
  }
}

/** The fields of a protobuf message with this number that are messages themselves. */
function messages(message: Buffer, number: number): Buffer[] {
  const found: Buffer[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    if ((tag & 7) !== 2)
      throw new Error(`sink: a field of wire type ${tag & 7} where only messages are expected`)
    const length = varint()
    if (tag >>> 3 === number) found.push(message.subarray(at, at + length))
    at += length
  }
  return found
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(String(spans))
    return
  }
  take(request).then(
    () => response.setHeader('content-type', 'application/x-protobuf').end(),
    (error: unknown) => response.writeHead(400).end(String(error)),
  )
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
