import { DiagLogLevel } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { recordedLog } from '../../support/recorded-log.ts'
import type { Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { diagnostics, diagnosticsLevel } from '../../../../src/platform/telemetry/diagnostics.ts'

test('a repeated message, even with other numbers, is logged once and counted', (t) => {
  const log = recordedLog()
  const reports = diagnostics(testContext(t), log)

  for (let i = 0; i < 100; i++) reports.logger.error(`Dropped ${i} spans because maxQueueSize reached`)
  reports.logger.warn('something else')

  expect(log.lines).toEqual([
    { level: 'warn', message: 'telemetry: Dropped 0 spans because maxQueueSize reached', fields: {} },
    { level: 'warn', message: 'telemetry: something else', fields: {} },
  ])
  expect(reports.count).toBe(101)
})

test('an exception, which the SDK reports as JSON, becomes a sentence without its stack', (t) => {
  const log = recordedLog()
  const { logger } = diagnostics(testContext(t), log)
  const refused = { stack: 'Error: …\n at x', message: 'connect ECONNREFUSED 127.0.0.1:4318', name: 'Error' }

  logger.error(JSON.stringify({ ...refused, code: 'ECONNREFUSED' }))
  // Of several addresses, none of which answers: Node's message is empty.
  logger.error(JSON.stringify({ stack: 'AggregateError', code: 'ECONNRESET', name: 'AggregateError' }))
  logger.error('{ not JSON')

  expect(log.lines.map((line) => line.message)).toEqual([
    'telemetry: an export failed, check OTEL_EXPORTER_OTLP_ENDPOINT: ECONNREFUSED connect ECONNREFUSED 127.0.0.1:4318',
    'telemetry: an export failed, check OTEL_EXPORTER_OTLP_ENDPOINT: ECONNRESET',
    'telemetry: { not JSON',
  ])
})

test('what the SDK adds to a message is logged: why a collector refused a part, and errors without their stacks', (t) => {
  const log = recordedLog()
  const { logger } = diagnostics(testContext(t), log)

  for (const rejectedSpans of [5, 6])
    logger.warn(
      'Received Partial Success response:',
      JSON.stringify({ rejectedSpans, errorMessage: 'over quota' }),
    )
  logger.error('metrics export threw error', new Error('it is full'))

  expect(log.lines.map((line) => line.message)).toEqual([
    'telemetry: Received Partial Success response: {"rejectedSpans":5,"errorMessage":"over quota"}',
    'telemetry: metrics export threw error it is full',
  ])
})

test('details are logged at debug', (t) => {
  const log = recordedLog()
  const reports = diagnostics(testContext(t), log)

  reports.logger.info('trying again')

  expect(log.lines).toEqual([{ level: 'debug', message: 'telemetry: trying again', fields: {} }])
  expect(reports.count).toBe(0)
})

test('every line is logged under the context of the process, never of a request', (t) => {
  const ctx = testContext(t)
  const under: Context[] = []
  const log = {
    ...recordedLog(),
    warn: (ctx: Context) => under.push(ctx),
    debug: (ctx: Context) => under.push(ctx),
  }
  const { logger } = diagnostics(ctx, log)

  logger.error('an export failed')
  logger.debug('trying again')

  expect(under).toHaveLength(2)
  expect(under[0]).toBe(ctx)
  expect(under[1]).toBe(ctx)
})

test.for([
  ['debug', DiagLogLevel.DEBUG],
  ['NONE', DiagLogLevel.NONE],
  ['loud', DiagLogLevel.WARN],
  [undefined, DiagLogLevel.WARN],
] as const)('OTEL_LOG_LEVEL=%s', ([name, level]) => {
  expect(diagnosticsLevel(name)).toBe(level)
})
