import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { route, type Route } from './route.ts'

/** Nothing from elsewhere. Swagger UI sets styles of its own, and draws its icons from data URLs. */
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

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
`

/** Without a validator: the one that is the default lies on the internet. */
const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', validatorUrl: null })\n`

/** The page that shows `/openapi.json`: Swagger UI from its own package, so that it works without the internet. */
export function docsRoutes(): Route[] {
  return [
    text('/docs', 'text/html; charset=utf-8', page),
    text('/docs/start.js', 'text/javascript; charset=utf-8', start),
    asset('swagger-ui.css', 'text/css; charset=utf-8'),
    asset('swagger-ui-bundle.js', 'text/javascript; charset=utf-8'),
  ]
}

function text(path: string, contentType: string, content: string): Route {
  return route({
    ...described(path, contentType),
    handle: () => new Response(content, { headers: { ...headers, 'content-type': contentType } }),
  })
}

/** Streamed from the package: a megabyte and a half need not stay in memory for a page that is rarely looked at. */
function asset(name: string, contentType: string): Route {
  const require = createRequire(import.meta.url)
  return route({
    ...described(`/docs/${name}`, contentType),
    async handle() {
      const file = await open(require.resolve(`swagger-ui-dist/${name}`))
      const { size } = await file.stat()
      return {
        status: 200,
        headers: {
          ...headers,
          'content-type': contentType,
          'content-length': String(size),
          'cache-control': 'public, max-age=3600',
        },
        // Closes the file, also when the request ends early.
        body: file.createReadStream(),
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
