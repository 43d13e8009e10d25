import { metrics } from '@opentelemetry/api'

/** Counts a client that follows events. @returns what counts that it has left */
export function countClient(): () => void {
  const clients = metrics.getMeter('sample-service').createUpDownCounter('events.clients', {
    description: 'Clients that follow events now.',
    unit: '{client}',
  })
  clients.add(1)
  return () => clients.add(-1)
}
