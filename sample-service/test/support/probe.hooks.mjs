// Lets the real src/main.ts serve test/support/probe.routes.ts: the promises are about any route, not about the domain.
// And test/support/probe.workers.ts, where it is there.
import { existsSync } from 'node:fs'
import { register } from 'node:module'
import process from 'node:process'
import { URL } from 'node:url'

const probes = Object.fromEntries(
  ['routes', 'workers']
    .map((name) => [`./${name}.ts`, new URL(`./probe.${name}.ts`, import.meta.url)])
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
