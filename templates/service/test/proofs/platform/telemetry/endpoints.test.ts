import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { testContext } from '../../../../src/context/test-context.ts'
import { unreachable } from '../../../../src/platform/telemetry/endpoints.ts'
import { telemetryPlan } from '../../../../src/platform/telemetry/environment.ts'

async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const all = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const traces = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
const metrics = 'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT'

test.for([
  [{}, [all], [all]],
  [{ OTEL_TRACES_EXPORTER: 'console' }, [all], [all]],
  [{ OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'console' }, [all], undefined],
  [{ OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'prometheus' }, [all], undefined],
  [{ OTEL_TRACES_EXPORTER: 'zipkin', OTEL_METRICS_EXPORTER: 'none' }, [all], undefined],
  [
    { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'otlp' },
    [all],
    undefined,
  ],
  [{ OTEL_TRACES_EXPORTER: 'none,otlp', OTEL_METRICS_EXPORTER: 'none' }, [all], undefined],
  [{ OTEL_TRACES_EXPORTER: 'console,otlp', OTEL_METRICS_EXPORTER: 'none' }, [all], [all]],
  [{ OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'console, otlp' }, [metrics], [metrics]],
  [{ OTEL_TRACES_EXPORTER: 'console' }, [traces], undefined],
  [{}, [traces, metrics], [`${traces} and ${metrics}`]],
] as const)(
  '%j and %j at a dead address: it looks where something is exported to',
  async ([env, set, named], t) => {
    const url = `http://127.0.0.1:${await deadPort()}`
    const whole = { ...env, ...Object.fromEntries(set.map((name) => [name, url])) }
    const found = await unreachable(testContext(t), telemetryPlan(whole), whole)
    expect(found?.variables).toEqual(named)
  },
)

test('of two dead addresses it names both variables', async (t) => {
  const env = {
    [traces]: `http://127.0.0.1:${await deadPort()}`,
    [metrics]: `http://127.0.0.1:${await deadPort()}`,
  }
  const found = await unreachable(testContext(t), telemetryPlan(env), env)
  expect(found?.variables).toEqual([traces, metrics])
})
