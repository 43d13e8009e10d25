// Lets the real src/main.ts serve test/support/probe.routes.ts, or the file that PROBE_ROUTES names, and run the jobs and
// consumers of test/support/, if there are any: the promises are about any route, not about the domain.
import { existsSync } from 'node:fs'
import * as module from 'node:module'
import process from 'node:process'
import { URL } from 'node:url'

const files = {
  './routes.ts': process.env['PROBE_ROUTES'] ?? 'test/support/probe.routes.ts',
  './jobs.ts': 'test/support/probe.jobs.ts',
  './consumers.ts': 'test/support/probe.consumers.ts',
}
const probes = Object.fromEntries(
  Object.entries(files)
    .map(([specifier, file]) => [specifier, new URL(`../../${file}`, import.meta.url)])
    .filter(([, url]) => existsSync(url))
    .map(([specifier, url]) => [specifier, url.href]),
)

const resolve = (specifier, context, next) => {
  const isProgram = /\/src\/(?:main|workers)\.ts$/.test(context.parentURL?.split('?')[0])
  return next((isProgram && probes[specifier]) || specifier, context)
}

// Node 26 deprecates register(), which runs the hook in a thread of its own; Node 20 lacks registerHooks().
if (module.registerHooks) module.registerHooks({ resolve })
else {
  const source = `const probes = ${JSON.stringify(probes)}\nexport const resolve = ${resolve}`
  module.register(`data:text/javascript,${encodeURIComponent(source)}`)
}
