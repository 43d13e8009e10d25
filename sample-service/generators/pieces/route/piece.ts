import type { Noun } from '../../engine/names.ts'
import type { Piece, Shape } from '../../engine/piece.ts'
import { inRoutes } from '../../engine/places.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Segments of letters, digits, `.`, `_` and `-`, or `:name`, which URLs, Hono and OpenAPI write in the same way. */
function isPath(value: string): boolean {
  if (value === '/') return true
  return /^(?:\/(?:[\w.-]+|:[a-z]\w*))+$/i.test(value) && !/\/\.{1,2}(?:\/|$)/.test(value)
}

/** One endpoint with validated input, typed output and a test: a small start to build on. */
export const route: Piece = {
  name: 'route',
  summary: 'one endpoint with validated input and a typed answer',
  examples: ['exchange-rate', 'exchange-rate --method POST --path /rates/:base'],
  takes: 'name',
  folder: import.meta.dirname,
  wirings: [{ ...inRoutes, call: 'widgetRoutes', from: './widget/widget.routes.ts' }],
  flags: [
    {
      name: 'method',
      asks: `HTTP method (${methods.join(', ')})`,
      otherwise: () => 'GET',
      check: (value) => {
        if (!methods.includes(value.toUpperCase()))
          throw new Error(`--method must be one of ${methods.join(', ')}, not ${JSON.stringify(value)}.`)
      },
    },
    {
      name: 'path',
      asks: 'Path, such as /reports/:id',
      otherwise: (noun) => `/${noun.singular}`,
      check: (value) => {
        if (!isPath(value))
          throw new Error(`--path must be a path such as /reports/:id, not ${JSON.stringify(value)}.`)
        const names = Array.from(value.matchAll(/:\w+/g), ([name]) => name)
        const twice = names.find((name, at) => names.indexOf(name) !== at)
        if (twice !== undefined)
          throw new Error(`--path ${value} has the parameter ${twice} twice: give each a name of its own.`)
      },
    },
  ],
  shape: async (_service, noun, { method = '', path = '' }) => shapeFor(noun, method, path),
}

/** Returns the function that gives the endpoint this method and path. If the method has a body, the input is in the body. */
function shapeFor({ singular }: Noun, method: string, path: string): Shape {
  const verb = method.toUpperCase()
  const hasBody = ['POST', 'PUT', 'PATCH'].includes(verb)
  return (file, text) => {
    // Any value is right: the test does not check path parameters.
    const asked = file.endsWith('.test.ts') ? path.replace(/:\w+/g, '1') : path
    const named = text.replace("'GET'", `'${verb}'`).replace(`'/${singular}'`, `'${asked}'`)
    if (!hasBody) return named
    if (!file.endsWith('.test.ts'))
      return named.replace('query: ', 'body: ').replace('input.query', 'input.body')
    return named.replace(/(?<=return )fetch\(.*/, inBody)
  }
}

/** How the test sends the text in a body. */
const inBody = `fetch(service.url + path, {
    method,
    body: JSON.stringify({ text }),
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  })`
