import { expect, test } from 'vitest'
import { runScript } from '../../support/script.ts'

test('after the report of dropped lines has failed, lines go out, and a flush does not reject', async () => {
  await using script = runScript(`
    import { background } from './context.ts'
    import { Stdout } from '../platform/telemetry/stdout.ts'
    process.on('unhandledRejection', () => undefined)
    const ctx = background()
    const failing = () => {
      throw new Error('no report')
    }
    const stdout = new Stdout(failing)
    for (let i = 0; i < 3; i++) stdout.write('x'.repeat(2 ** 20) + '\\n')
    await stdout.flush(ctx).catch(() => undefined)
    stdout.write('after\\n')
    await stdout.flush(ctx)
    process.exit(0)
  `)
  const { code, stdout, stderr } = await script.exit
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/\nafter\n$/)
})
