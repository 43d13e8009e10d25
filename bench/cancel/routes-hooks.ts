// Lets the real src/main.ts of a service serve the route of ./routes.ts.
import { register } from 'node:module'

const routes = new URL('./routes.ts', import.meta.url).href

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      if (specifier !== './routes.ts' || !context.parentURL?.split('?')[0].endsWith('/src/main.ts')) {
        return next(specifier, context)
      }
      return { ...(await next(${JSON.stringify(routes)}, context)), shortCircuit: true }
    }`)}`,
)
