import type { Member, Piece } from '../../engine/piece.ts'

const type = '{ readonly url: string | undefined }'

/** The connection to NATS JetStream. It comes with the first publisher or consumer. */
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
  members: (): readonly Member[] => [
    {
      file: 'src/config.ts',
      within: 'Environment',
      name: 'BROKER_URL',
      code: `url('nats://user:password@host:4222', /^(?:nats|tls):$/, true).optional().describe('nodes of NATS JetStream, with commas between; without it, events are neither sent nor received')`,
      knows: ['url'],
    },
    {
      file: 'src/config.ts',
      within: 'loadConfig',
      name: 'broker',
      code: '{ url: e.BROKER_URL }',
      knows: ['e'],
    },
    {
      file: 'src/platform/platform.ts',
      within: 'openPlatform',
      name: 'broker',
      code: 'options.broker',
      knows: ['options'],
    },
    { file: 'src/platform/platform.ts', within: 'Platform', name: 'broker', code: type },
    { file: 'src/platform/platform.ts', within: 'PlatformOptions', name: 'broker', code: type },
  ],
  migration: false,
  dependencies: { '@nats-io/jetstream': '^3.4.0', '@nats-io/transport-node': '^3.4.0' },
}
