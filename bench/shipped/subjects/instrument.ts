import { register } from 'node:module'

// Imported before a stock subject: sets up OpenTelemetry for ES modules as its documentation does, with the instrumentations of
// http, pg and pino. Their names are in variables, because this repository does not depend on them.
register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)

type Make = new () => object
const [http, pg, pino] = ['http', 'pg', 'pino'].map((name) => `@opentelemetry/instrumentation-${name}`)
const sdk = '@opentelemetry/sdk-node'
const { NodeSDK } = (await import(sdk)) as { NodeSDK: new (options: object) => { start(): void } }
const { HttpInstrumentation } = (await import(String(http))) as { HttpInstrumentation: Make }
const { PgInstrumentation } = (await import(String(pg))) as { PgInstrumentation: Make }
const { PinoInstrumentation } = (await import(String(pino))) as { PinoInstrumentation: Make }

new NodeSDK({
  instrumentations: [new HttpInstrumentation(), new PgInstrumentation(), new PinoInstrumentation()],
  metricReaders: [],
  logRecordProcessors: [],
}).start()
