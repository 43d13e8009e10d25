import type { JsMsg } from '@nats-io/jetstream'
import { NotUnderstood } from './consumer.ts'
import { envelopeOf } from './event.ts'
import type { Received } from './held.ts'

/**
 * Reads a message. What is no CloudEvent with a key gets attributes, so that it can be parked: its key is its own.
 * @param mostDeliveries one that was delivered more often is at fault
 */
export function receivedFrom(type: string, message: JsMsg, mostDeliveries: number): Received {
  const headers: Record<string, string> = {}
  for (const [name, values] of message.headers ?? []) headers[name.toLowerCase()] = values.join(',')
  const received = { headers, data: message.string(), position: message.seq, attempts: 0 }
  const { deliveryCount, stream } = message.info
  try {
    const envelope = envelopeOf(headers)
    if (deliveryCount <= mostDeliveries) return { ...received, envelope }
    const often = `it was delivered ${deliveryCount - 1} times and never answered: does it end the process?`
    return { ...received, envelope, fault: new NotUnderstood(often) }
  } catch (cause) {
    const name = `${stream}:${message.seq}`
    const envelope = { id: name, type, key: name, source: '', time: message.timestamp }
    return { ...received, envelope, fault: new NotUnderstood('it is no CloudEvent with a key', { cause }) }
  }
}
