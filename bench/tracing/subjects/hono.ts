import { createRequire } from 'node:module'
import { httpInstrumentationMiddleware } from '@hono/otel'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { Hono } from 'hono'
import { bare, hello, serve } from '../../http/subjects/hono.ts'

/** The stock instrumentation. It patches the prototype of http.Server when the module is required. */
export function instrumented(): Promise<number> {
  startSdk([new HttpInstrumentation()])
  createRequire(import.meta.url)('node:http')
  return bare()
}

export function middleware(): Promise<number> {
  startSdk([])
  return serve(new Hono().use(httpInstrumentationMiddleware({ serviceName: 'bench' })).get('/hello', hello))
}

/** Exports only traces, to the endpoint in the environment. */
function startSdk(instrumentations: HttpInstrumentation[]): void {
  new NodeSDK({
    serviceName: 'bench',
    instrumentations,
    metricReaders: [],
    logRecordProcessors: [],
  }).start()
}
