import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import {
  anyPorts,
  expectOrderlyStop,
  isRunning,
  serverPid,
  startDev,
  untilListening,
  untilSaid,
} from '../support/dev.ts'

test('SIGTERM stops the service in order, then Postgres: exit 0', async (t) => {
  const dev = await startDev((fn) => t.onTestFinished(fn))
  await untilListening(dev, 1)
  await expectOrderlyStop(dev, 'SIGTERM')
})

test('in a terminal it shows addresses and a line for each request, and handles its keys', async (t) => {
  // The requests of the docs are logged at debug.
  const dev = await startDev((fn) => t.onTestFinished(fn), {
    terminal: true,
    envFile: `${anyPorts}LOG_LEVEL=debug\n`,
  })
  await untilSaid(dev, /r restart +s seed +c clear +h help +q quit/)
  const screen = (): string => dev.lines.join('\n')
  const addressOf = (name: string): string => {
    const plain = stripVTControlCharacters(screen())
    return new RegExp(`^ +${name} +(http\\S+)`, 'm').exec(plain)?.[1] ?? ''
  }
  const service = addressOf('service')
  expect((await fetch(addressOf('docs'))).status).toBe(200)
  expect((await fetch(addressOf('contexts'))).status).toBe(200)
  await fetch(`${service}/nowhere`)
  await untilSaid(dev, '/nowhere \u001b[33m404')
  expect(screen()).toContain('/docs \u001b[32m200')
  expect(stripVTControlCharacters(screen())).toMatch(/^\[[\d:]{8}\] GET +\/docs 200 \d+\.\d ms$/m)
  expect(screen()).not.toContain('"msg"')

  dev.child.stdin?.write('cr')
  await untilSaid(dev, /restarted in \d+ ms \(r\)/)
  expect(screen()).toContain('\u001b[2J')

  dev.lines.length = 0
  dev.child.stdin?.write('h')
  await untilSaid(dev, /q quit/)
  expect((await fetch(addressOf('docs'))).status).toBe(200)

  const server = await serverPid(dev)
  dev.child.stdin?.write('q')
  expect(await once(dev.child, 'exit')).toEqual([0, null])
  expect(isRunning(server)).toBe(false)
  await expect(fetch(service)).rejects.toThrow('fetch failed')
})
