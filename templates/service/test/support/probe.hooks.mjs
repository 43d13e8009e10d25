// Lets the real src/main.ts serve test/support/probe.routes.ts, or the file that PROBE_ROUTES names, and run
// test/support/probe.workers.ts if there is one: the promises are about any route, not about the domain.
import { existsSync } from 'node:fs'
import { register } from 'node:module'
import process from 'node:process'
import { URL } from 'node:url'

const files = {
  './routes.ts': process.env['PROBE_ROUTES'] ?? 'test/support/probe.routes.ts',
  './workers.ts': 'test/support/probe.workers.ts',
}
const probes = Object.fromEntries(
  Object.entries(files)
    .map(([specifier, file]) => [specifier, new URL(`../../${file}`, import.meta.url)])
    .filter(([, url]) => existsSync(url))
    .map(([specifier, url]) => [specifier, url.href]),
)

// Node 26 deprecates it for registerHooks, which Node 20 lacks; the warning would be a line of the service's log.
const { noDeprecation } = process
process.noDeprecation = true
register(
  `data:text/javascript,${encodeURIComponent(`
    const probes = ${JSON.stringify(probes)}
    export async function resolve(specifier, context, next) {
      if (probes[specifier] === undefined || !context.parentURL?.split('?')[0].endsWith('/src/main.ts')) {
        return next(specifier, context)
      }
      return { ...(await next(probes[specifier], context)), shortCircuit: true }
    }`)}`,
)
process.noDeprecation = noDeprecation ?? false
