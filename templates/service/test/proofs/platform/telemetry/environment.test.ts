import { expect, test } from 'vitest'
import { ignored, sendsProtobuf, telemetryPlan } from '../../../../src/platform/telemetry/environment.ts'

const said = (env: Record<string, string>, tracing = true): string | undefined =>
  ignored(telemetryPlan(env), env, tracing)

const endpoint = 'http://collector:4318'

test.for([
  [{}],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_LOGS_EXPORTER: 'none' }],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_METRICS_EXPORTER: 'console,prometheus' }],
] as const)('a setting that the service follows is not reported: %j', ([env]) => {
  expect(said(env)).toBeUndefined()
})

test.for([
  [{ OTEL_METRICS_EXPORTER: 'otlp, statsd' }, 'OTEL_METRICS_EXPORTER: there is no exporter statsd'],
  [{ OTEL_LOGS_EXPORTER: 'otlp' }, 'no logs will be exported'],
  [{ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://localhost:4318/v1/logs' }, 'no logs will be exported'],
  [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,pg' }, 'the service has no loader hook'],
] as const)('a setting that the service cannot follow is reported: %j', ([env, sentence]) => {
  expect(said(env)).toContain(sentence)
})

test.for([
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20a,x-key=YWJj==' }],
  [{ OTEL_EXPORTER_OTLP_HEADERS: '', OTEL_LOG_LEVEL: ' ', OTEL_SDK_DISABLED: 'False' }],
  [{ OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'authorization=Basic YWJj, x-tenant=a b,' }],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'team=a%3Db, empty=,' }],
  [
    {
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_LOG_LEVEL: 'DEBUG',
    },
  ],
] as const)('a well-formed variable is not reported: %j', ([env]) => {
  expect(said(env)).toBeUndefined()
})

test.for([
  [
    { OTEL_EXPORTER_OTLP_HEADERS: 'authorization: Bearer secret' },
    'OTEL_EXPORTER_OTLP_HEADERS: entry 1 is not sent whole; write name=value',
  ],
  [
    { OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a=1,=secret,b=secret;c,d=' },
    'OTEL_EXPORTER_OTLP_TRACES_HEADERS: entries 2, 3, 4 are not',
  ],
  [{ OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=secret%zz' }, 'OTEL_EXPORTER_OTLP_METRICS_HEADERS: entry 1'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'x key=secret' }, 'entry 1'],
  [{ OTEL_EXPORTER_OTLP_HEADERS: 'a=secret%0A' }, 'entry 1'],
  [
    { OTEL_RESOURCE_ATTRIBUTES: 'team=a,region' },
    'OTEL_RESOURCE_ATTRIBUTES: none of it is used, since entry 2 is malformed',
  ],
  [{ OTEL_RESOURCE_ATTRIBUTES: 'team=a=b' }, 'entry 1'],
  [
    { OTEL_METRIC_EXPORT_INTERVAL: '10s' },
    "OTEL_METRIC_EXPORT_INTERVAL: '10s' is not a number of milliseconds",
  ],
  [{ OTEL_METRIC_EXPORT_TIMEOUT: '-1' }, 'OTEL_METRIC_EXPORT_TIMEOUT'],
  [{ OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http' }, "'http' is none of grpc, http/protobuf, http/json"],
  [{ OTEL_LOG_LEVEL: 'loud' }, 'OTEL_LOG_LEVEL'],
  [{ OTEL_SDK_DISABLED: '1' }, "OTEL_SDK_DISABLED: '1' is none of true, false; the default applies"],
] as const)('a malformed variable is reported without its secret: %j', ([env, sentence]) => {
  expect(said(env)).toContain(sentence)
  expect(said(env)).not.toContain('secret')
})

test('one sentence reports traces without a tracer and every other mistake', () => {
  const both = said({ OTEL_TRACES_EXPORTER: 'carrier-pigeon', OTEL_LOGS_EXPORTER: 'otlp' }, false)
  expect(both).toMatch(/^OTEL_TRACES_EXPORTER: no traces .*; OTEL_LOGS_EXPORTER: no logs /)
})

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

test.for([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' }, true],
  [{ OTEL_TRACES_EXPORTER: 'otlp,otlp', OTEL_BSP_SCHEDULE_DELAY: '50' }, true],
  [{}, false],
  [{ OTEL_TRACES_EXPORTER: 'none' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp,console' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '0' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_BSP_EXPORT_TIMEOUT: 'soon' }, false],
] as const)('%j: spans go out as protobuf alone: %s', ([env, protobuf]) => {
  expect(sendsProtobuf(env)).toBe(protobuf)
})
