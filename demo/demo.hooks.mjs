// Lets the real src/main.ts serve demo/demo.routes.ts beside its own routes, whatever those are.
import { register } from 'node:module'
import { URL } from 'node:url'

const demo = new URL('./demo.routes.ts', import.meta.url).href

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      if (specifier !== './routes.ts' || !context.parentURL?.split('?')[0].endsWith('/src/main.ts')) {
        return next(specifier, context)
      }
      return { ...(await next(${JSON.stringify(demo)}, context)), shortCircuit: true }
    }`)}`,
)
