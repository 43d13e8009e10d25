// Lets the real src/main.ts serve demo/demo.routes.ts beside its own routes, whatever those are.
import * as module from 'node:module'
import { URL } from 'node:url'

const demo = new URL('./demo.routes.ts', import.meta.url).href

const resolve = (specifier, context, next) => {
  const isMain = context.parentURL?.split('?')[0].endsWith('/src/main.ts')
  return next(isMain && specifier === './routes.ts' ? demo : specifier, context)
}

// Node 26 deprecates register(), which runs the hook in a thread of its own; Node 20 lacks registerHooks().
if (module.registerHooks) module.registerHooks({ resolve })
else {
  const source = `const demo = ${JSON.stringify(demo)}\nexport const resolve = ${resolve}`
  module.register(`data:text/javascript,${encodeURIComponent(source)}`)
}
