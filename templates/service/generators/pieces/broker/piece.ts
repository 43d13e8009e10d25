import type { Noun } from '../../engine/names.ts'
import type { Piece, Shape } from '../../engine/piece.ts'
import { configured, onPlatform, variable } from '../../engine/places.ts'

const type = '{ readonly url: string | undefined }'

/** The connection to NATS JetStream. `npm run add` adds it with the first publisher or consumer. */
export const broker: Piece = {
  name: 'broker',
  summary: 'the connection to the broker of events',
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'scripts/dev/beside.ts',
      within: 'programsBeside',
      as: 'item',
      call: 'natsBeside',
      from: './nats.ts',
      takes: [],
    },
  ],
  members: () => [
    variable(
      'BROKER_URL',
      `url('nats://user:password@host:4222', /^(?:nats|tls):$/, true).optional().describe('nodes of NATS JetStream, separated by commas; without it, events are neither sent nor received')`,
      { knows: ['url'] },
    ),
    configured('broker', '{ url: e.BROKER_URL }'),
    ...onPlatform('broker', { code: 'options.broker', knows: ['options'] }, { code: type }),
  ],
  dependencies: { '@nats-io/jetstream': '^3.4.0', '@nats-io/transport-node': '^3.4.0' },
}

/** A name with a version at its end, `invoice-paid-v2`, is the type of its event. Any other name gets `-v1`. */
export function shapeForVersion(_service: string, { singular: name }: Noun): Promise<Shape> {
  const twice = /-v\d+$/.test(name) ? `${name}-v1` : undefined
  return Promise.resolve((_path, text) => (twice === undefined ? text : text.replaceAll(twice, name)))
}
