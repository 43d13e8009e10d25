// Lets the real src/main.ts serve test/support/probe.routes.ts: the promises are about any route, not about the domain.
import { register } from 'node:module'
import { URL } from 'node:url'

const probe = new URL('./probe.routes.ts', import.meta.url).href

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      if (specifier !== './routes.ts' || !context.parentURL?.split('?')[0].endsWith('/src/main.ts')) {
        return next(specifier, context)
      }
      return { ...(await next(${JSON.stringify(probe)}, context)), shortCircuit: true }
    }`)}`,
)
