import type { JsMsg } from '@nats-io/jetstream'
import { NotUnderstood } from './consumer.ts'
import { envelopeOf } from './event.ts'
import type { Received } from './held.ts'

/** Reads a message. What is no CloudEvent with a key gets attributes, so that it can be parked: its key is its own. */
export function receivedFrom(type: string, message: JsMsg): Received {
  const headers: Record<string, string> = {}
  for (const [name, values] of message.headers ?? []) headers[name.toLowerCase()] = values.join(',')
  const received = { headers, data: message.string(), position: message.seq, attempts: 0 }
  try {
    return { ...received, envelope: envelopeOf(headers) }
  } catch (cause) {
    const name = `${message.info.stream}:${message.seq}`
    const envelope = { id: name, type, key: name, source: '', time: message.timestamp }
    return { ...received, envelope, fault: new NotUnderstood('it is no CloudEvent with a key', { cause }) }
  }
}
