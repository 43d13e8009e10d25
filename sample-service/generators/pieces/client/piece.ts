import { stampNames } from '../../engine/names.ts'
import type { Piece } from '../../engine/piece.ts'
import { circuit } from '../circuit/piece.ts'
import { baseUrlFrom } from './base-url.ts'

/** Another service that this one calls: typed, under ctx, behind a circuit breaker. An environment variable has its URL. */
export const client: Piece = {
  name: 'client',
  summary: 'another service that this one calls',
  examples: ['payments --base-url https://payments.example.com/v1'],
  takes: 'name',
  folder: import.meta.dirname,
  needs: circuit,
  wirings: [],
  migration: false,
  flags: [
    {
      name: 'base-url',
      asks: 'Its default URL, such as https://payments.example.com/v1',
      check: (typed) => void baseUrlFrom(typed),
    },
  ],
  members: (noun, flags) => {
    const [name, type, open, variable] = ['widget', 'WidgetClient', 'widgetClient', 'WIDGET_URL'].map(
      (text) => stampNames(text, noun),
    ) as [string, string, string, string]
    const from = stampNames('./client/widget-client.ts', noun)
    const baseUrl = baseUrlFrom(flags['base-url'] ?? '')
    const platform = 'src/platform/platform.ts'
    return [
      {
        file: 'src/config.ts',
        within: 'Environment',
        name: variable,
        code: `url('http://host:port/path', /^https?:$/).default('${baseUrl}').describe('where ${noun.singular} is called')`,
        knows: ['url'],
      },
      {
        file: 'src/config.ts',
        within: 'loadConfig',
        name,
        code: `{ baseUrl: e.${variable} }`,
        knows: ['e'],
      },
      {
        file: platform,
        within: 'openPlatform',
        name,
        code: `${open}(log, options.${name})`,
        import: { name: open, from },
        knows: ['log', 'options'],
      },
      {
        file: platform,
        within: 'Platform',
        name,
        code: type,
        import: { name: type, from, type: true },
      },
      { file: platform, within: 'PlatformOptions', name, code: '{ readonly baseUrl: string }' },
    ]
  },
}
