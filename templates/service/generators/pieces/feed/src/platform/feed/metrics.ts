import { metrics } from '@opentelemetry/api'

/** Counts a client that follows events. @returns the function to call when it leaves */
export function countClient(): () => void {
  const clients = metrics.getMeter('mainstem-service').createUpDownCounter('events.clients', {
    description: 'Clients that follow events now.',
    unit: '{client}',
  })
  clients.add(1)
  return () => clients.add(-1)
}
