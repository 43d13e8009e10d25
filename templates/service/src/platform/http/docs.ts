import { open, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { html } from 'hono/html'
import { route, type Route } from './route.ts'

/** Allows nothing from other sites. Swagger UI sets styles of its own, and draws its icons from data URLs. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

const docs = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`

/** The page that shows `/openapi.json`: Swagger UI from its own package, so that it works without the internet. */
export function docsRoutes(): Route[] {
  const require = createRequire(import.meta.url)
  const swagger =
    (name: string): (() => string) =>
    () =>
      require.resolve(`swagger-ui-dist/${name}`)
  const start = (): URL => new URL('../../browser/docs.js', import.meta.url)
  return [
    route({ ...described('/docs', 'text/html'), handle: () => page(docs) }),
    file('/docs/start.js', 'text/javascript', start),
    file('/docs/swagger-ui.css', 'text/css', swagger('swagger-ui.css')),
    file('/docs/swagger-ui-bundle.js', 'text/javascript', swagger('swagger-ui-bundle.js')),
  ]
}

/** `GET /` says where to go: a page for a browser, JSON for others. */
export function homeRoute(name: string, version: string, routes: readonly Route[]): Route {
  const shown = ['/docs', '/openapi.json', '/livez', '/readyz'].flatMap(
    (path) => routes.find((route) => route.path === path) ?? [],
  )
  const links = shown.map(({ path }) => path)
  const markup = html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>${name}</title>
      <link rel="icon" href="data:," />
      <style>
        :root {
          color-scheme: light dark;
          font: 1rem/1.5 system-ui;
        }
        body {
          margin: 2rem;
        }
        small {
          font-size: 1rem;
          font-weight: normal;
          opacity: 0.7;
        }
        dd {
          margin: 0 0 1rem;
        }
      </style>
      <h1>${name} <small>${version}</small></h1>
      <dl>
        ${shown.map(
          ({ path, summary }) =>
            html`<dt><a href="${path}">${path}</a></dt>
              <dd>${summary}</dd>`,
        )}
      </dl>
    </html> `
  // hono returns a String object, and a Promise only for Promises among the values: slice makes it a string.
  const home = (markup as string).slice()
  return route({
    ...described('/', 'text/html'),
    handle(_ctx, _input, request) {
      const wantsPage = request.headers.accept?.includes('text/html') === true
      const response = wantsPage ? page(home) : Response.json({ name, version, links })
      response.headers.set('vary', 'accept')
      return response
    },
  })
}

function page(content: string): Response {
  return new Response(content, { headers: { ...headers, 'content-type': 'text/html; charset=utf-8' } })
}

/** Streams a file: the 1.5 MB of Swagger UI need not stay in memory for a page that is rarely looked at. */
function file(path: string, contentType: string, locate: () => string | URL): Route {
  return route({
    ...described(path, contentType),
    async handle() {
      const path = locate()
      // Before the file is opened, so that a failure leaves nothing open.
      const { size } = await stat(path)
      const opened = await open(path)
      return {
        status: 200,
        headers: {
          ...headers,
          'content-type': `${contentType}; charset=utf-8`,
          'content-length': String(size),
          'cache-control': 'public, max-age=3600',
        },
        // Closes the file, even when the request ends early.
        body: opened.createReadStream(),
      }
    },
  })
}

function described(path: string, contentType: string) {
  return {
    method: 'GET' as const,
    path,
    summary: 'The documentation of this API',
    tags: ['documentation'],
    quiet: true,
    responses: { 200: { description: 'A part of the page', contentType } },
  }
}
