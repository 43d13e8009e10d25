import { join } from 'node:path'
import { stampNames } from '../../engine/names.ts'
import type { Piece } from '../../engine/piece.ts'
import { configured, onPlatform, variable } from '../../engine/places.ts'
import { circuit } from '../circuit/piece.ts'
import { typed } from '../typed/piece.ts'
import { checkDocument, none } from './openapi-source.ts'

/** A client of another service: typed, under ctx, behind a circuit breaker. An environment variable has the URL. */
export const client: Piece = {
  name: 'client',
  summary: 'a typed client of another service, behind a circuit breaker',
  examples: [
    'payments --base-url https://payments.example.com/v1',
    'rates --base-url https://rates.example.com --openapi https://rates.example.com/openapi.json',
  ],
  explained: `With --openapi, the calls have the types of that document. Install the package
that makes them first: npm install --save-dev openapi-typescript@^7.13.0. If the
document changes later, run the same command again.
`,
  takes: 'name',
  folder: import.meta.dirname,
  needs: circuit,
  variant: ({ openapi = none }) => (openapi === none ? undefined : ofDocument),
  flags: [
    {
      name: 'base-url',
      asks: 'Address of the other service, such as https://payments.example.com/v1',
      check: baseUrlFrom,
    },
    {
      name: 'openapi',
      asks: 'OpenAPI document of the other service, a file or a URL',
      otherwise: () => none,
      check: checkDocument,
    },
  ],
  members: (noun, flags) => {
    const [name, type, open, at] = ['widget', 'WidgetClient', 'widgetClient', 'WIDGET_URL'].map((text) =>
      stampNames(text, noun),
    ) as [string, string, string, string]
    const from = stampNames('./client/widget-client.ts', noun)
    const baseUrl = baseUrlFrom(flags['base-url'] ?? '')
    return [
      variable(
        at,
        `url('http://host:port/path', /^https?:$/).default('${baseUrl}').describe('address of ${noun.singular}')`,
        { import: { name: 'url', from: './variables.ts' } },
      ),
      configured(name, `{ baseUrl: e.${at} }`),
      ...onPlatform(
        name,
        { code: `${open}(log, options.${name})`, import: { name: open, from }, knows: ['log', 'options'] },
        { code: type, import: { name: type, from, type: true } },
        { code: '{ readonly baseUrl: string }' },
      ),
    ]
  },
}

/** A client with the types of a document. */
const ofDocument: Piece = {
  ...client,
  folder: join(import.meta.dirname, 'openapi'),
  needs: typed,
  renews: 'src/platform/client/widget-api.ts',
  shape: async (_service, noun, { openapi = none }) =>
    (await import('./openapi-source.ts')).shapeFor(noun.singular, openapi),
}

/** Returns a base URL that a client takes (platform/client/order.ts), without a final slash. Throws for anything else. */
function baseUrlFrom(typed: string): string {
  const url = URL.canParse(typed) ? new URL(typed) : undefined
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.username + url.password + url.search + url.hash !== '' ||
    /['\\\s]/.test(typed)
  ) {
    throw new Error(
      `--base-url must be a URL such as https://payments.example.com/v1, without user, password and query, not ${JSON.stringify(typed)}.`,
    )
  }
  return typed.replace(/\/$/, '')
}
