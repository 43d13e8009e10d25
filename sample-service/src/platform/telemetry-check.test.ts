import { expect, test } from 'vitest'
import { unexported } from './telemetry-check.ts'
import { telemetryPlan } from './telemetry-plan.ts'

const said = (env: Record<string, string>, tracing = true): string | undefined =>
  unexported(telemetryPlan(env), env, tracing)

test.for([
  [{}],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_LOGS_EXPORTER: 'none' }],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'console,prometheus' }],
] as const)('what is exported, or not asked for, is no sentence: %j', ([env]) => {
  expect(said(env)).toBeUndefined()
})

test.for([
  [{ OTEL_METRICS_EXPORTER: 'otlp, statsd' }, 'there is no exporter statsd; check OTEL_METRICS_EXPORTER'],
  [{ OTEL_LOGS_EXPORTER: 'otlp' }, 'logs were asked for'],
  [{ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://localhost:4318/v1/logs' }, 'logs were asked for'],
  [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg' }, 'no loader hook is there'],
] as const)('what is asked for and has no exporter is one: %j', ([env, sentence]) => {
  expect(said(env)).toContain(sentence)
})

test('traces without a tracer, and all that is amiss in one sentence', () => {
  const both = said({ OTEL_TRACES_EXPORTER: 'carrier-pigeon', OTEL_LOGS_EXPORTER: 'otlp' }, false)
  expect(both).toMatch(/^traces were asked for and none .*; logs were asked for and none /)
})
