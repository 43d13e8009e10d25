import { expect, test } from 'vitest'
import { telemetryPlan } from '../../../../src/platform/telemetry/plan.ts'

const endpoint = 'http://collector:4318'

test.for([
  [{}, false, []],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false, []],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, true, ['otlp']],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }, true, []],
  [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: endpoint }, false, ['otlp']],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, true, []],
  [{ OTEL_METRICS_EXPORTER: 'otlp, prometheus' }, false, ['otlp']],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: 'none' }, true, []],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_EXPORTER: 'none' }, false, ['otlp']],
] as const)('%o: traces %s, metrics to %o', ([env, traces, metrics]) => {
  expect(telemetryPlan(env)).toEqual({ disabled: false, traces, metrics })
})

test.for(['true', 'TRUE'])('OTEL_SDK_DISABLED=%s', (value) => {
  expect(telemetryPlan({ OTEL_SDK_DISABLED: value }).disabled).toBe(true)
})
