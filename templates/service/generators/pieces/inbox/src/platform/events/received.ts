import type { JsMsg } from '@nats-io/jetstream'
import type { Attributes } from '@opentelemetry/api'
import { NotUnderstood, faultsOf } from './consumer.ts'
import { envelopeOf } from './event.ts'
import type { Received } from './held.ts'

/**
 * Reads a message. If it is not an event, or Postgres cannot store it unchanged, the result has a fault, and made-up attributes
 * with which it can be parked. Data that are not text become base64.
 */
export function receivedFrom(type: string, message: JsMsg, server: Attributes): Received {
  // The time of a CloudEvent is optional.
  const headers: Record<string, string> = { 'ce-time': message.timestamp }
  for (const [name, values] of message.headers ?? []) headers[name.toLowerCase()] = values.join(',')
  const { stream, deliveryCount } = message.info
  const received = { headers, data: message.string(), attempts: 0, deliveries: deliveryCount, server }
  // Includes the time, because the numbers of a stream start again when it is deleted and created again.
  const name = `${stream}:${message.seq}:${message.timestamp}`
  const unnamed = { id: name, type, key: name, source: '', time: message.timestamp }
  if (received.data.includes('\0') || !Buffer.from(received.data).equals(message.data)) {
    const data = Buffer.from(message.data).toString('base64')
    return { ...received, data, envelope: unnamed, fault: new NotUnderstood('the data are not UTF-8 text') }
  }
  try {
    return { ...received, envelope: envelopeOf(type, headers) }
  } catch (cause) {
    const fault = new NotUnderstood(`it is not a CloudEvent ${type} with a key: ${faultsOf(cause)}`, {
      cause,
    })
    return { ...received, envelope: unnamed, fault }
  }
}
