/**
 * The page of live contexts in a real browser: Debian's Chromium, or the one that CHROMIUM names. The tests are skipped without
 * a browser, because npm installs none. With SCREENSHOTS=1 they also take the pictures of docs/.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDatabase, temporaryServer } from '../../templates/service/scripts/postgres/databases.ts'
import { migrateDatabase } from '../../templates/service/scripts/postgres/migrations.ts'
import { open } from '../../templates/service/test/support/client.ts'
// Declares the values that vitest provides to the tests of a service.
import type {} from '../../templates/service/test/global-setup.ts'
import { joinPrograms } from '../../templates/service/test/programs.ts'
import { repository, serviceWithClient } from '../support/added-service.ts'
import { hasChromium, launchChromium } from '../support/chromium.ts'

const docs = join(import.meta.dirname, '../../docs')

describe.skipIf(!hasChromium)('the page of live contexts, in Chromium', () => {
  const cleanups: (() => Promise<unknown>)[] = []
  let browser: Browser
  let url: string
  let adminUrl: string

  beforeAll(async () => {
    const server = await temporaryServer()
    cleanups.push(() => server.stop())
    const database = await makeDatabase(server.url)
    cleanups.push(() => database.drop())
    await migrateDatabase(database.url)
    const uploads = await mkdtemp(join(tmpdir(), 'uploads-'))
    cleanups.push(() => rm(uploads, { recursive: true, force: true }))
    const calling = await serviceWithClient(join(repository, 'templates/service'))
    const { startProcess } = (await import(
      join(calling, 'test/support/service.ts')
    )) as typeof import('../../templates/service/test/support/service.ts')
    const { folder: programs } = await joinPrograms(calling)
    const env = { DATABASE_URL: database.url, UPLOAD_DIR: uploads, REQUEST_TIMEOUT_MS: '60000' }
    const service = startProcess(
      { onTestFinished: (fn) => cleanups.push(fn) },
      { probe: true, programs, env },
    )
    const { port, adminPort } = await service.line(({ msg }) => msg === 'listening')
    url = `http://127.0.0.1:${String(port)}`
    adminUrl = `http://127.0.0.1:${String(adminPort)}/debug/contexts`
    browser = await launchChromium()
    cleanups.push(() => browser.close())
  })
  afterAll(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup()
  })

  async function get(path: string, id?: string): Promise<void> {
    const response = await fetch(url + path, { headers: id === undefined ? {} : { 'x-request-id': id } })
    await response.arrayBuffer()
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (process.env['SCREENSHOTS'] === '1') await page.screenshot({ path: join(docs, `${name}.png`) })
  }

  async function show(
    colorScheme: 'light' | 'dark',
    width = 1_000,
    query = '',
  ): Promise<{ page: Page; failed: string[] }> {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } })
    cleanups.push(() => page.close())
    const failed: string[] = []
    page.on('pageerror', (error) => failed.push(error.message))
    page.on('console', (message) => message.type() === 'error' && failed.push(message.text()))
    await page.goto(adminUrl + query)
    return { page, failed }
  }

  test('among a hundred requests a second a slow one is found by the filter, and opened with its statement', async () => {
    const { page, failed } = await show('light')
    const sent: Promise<unknown>[] = []
    const load = setInterval(
      () => sent.push(get(sent.length % 10 === 0 ? '/livez' : '/probe/transaction')),
      10,
    )
    try {
      await page.getByText('200 GET /probe/transaction').first().waitFor()
      const slow = get('/probe/query?seconds=3')
      await page.getByLabel('slower than').fill('500')
      const [underWay, ended] = [page.locator('#under-way details'), page.locator('#ended details')]
      await underWay.getByText('GET /probe/query waits for the database').waitFor()
      await underWay.filter({ hasText: 'GET /probe/query' }).locator('summary').click()
      await underWay.getByText('select pg_sleep($1)').waitFor()
      expect(await underWay.count()).toBe(1)
      await picture(page, 'inspector-light')

      await slow
      const found = ended.filter({ hasText: '200 GET /probe/query' })
      await found.waitFor()
      // A second has pushed a hundred others out meanwhile.
      await page.waitForTimeout(1_200)
      expect(await found.getByText('select pg_sleep($1)').isVisible()).toBe(true)
      expect(await ended.filter({ hasText: '/livez' }).count()).toBe(0)

      await page.getByLabel('Search').fill('no such path')
      await expect.poll(() => page.getByText('No request fits the filter above').count()).toBe(2)
    } finally {
      clearInterval(load)
      await Promise.all(sent)
    }
    expect(sent.length).toBeGreaterThan(200)
    expect(failed).toEqual([])
  })

  test('a slow request appears with the time it has left, and the page shows its end when its client hangs up', async () => {
    const { page, failed } = await show('light')
    const live = page.locator('#tree')
    const ended = page.locator('#ended')

    const request = open(`${url}/probe/query?seconds=60`)
    await live.getByText('GET /probe/query').waitFor()
    expect(await live.getByRole('meter', { name: 'time left' }).count()).toBeGreaterThan(0)

    request.hangUp()
    await ended.getByText('499 GET /probe/query ClientDisconnected').waitFor()
    await expect.poll(() => live.getByText('GET /probe/query').count()).toBe(0)
    expect(failed).toEqual([])
  })

  test('an ended request shows its statement, and when and why it was cut off; a key opens it, and it stays open', async () => {
    const request = open(`${url}/probe/query?seconds=60`)
    const { page, failed } = await show('light')
    const underWay = page.locator('#under-way details').filter({ hasText: 'SELECT' })
    await underWay.waitFor()
    // By its own name: another request may have ended in the same way before.
    const id = await underWay.getAttribute('id')
    request.hangUp()
    const ended = page.locator(`#ended details[id="${id}"]`)
    await ended.getByText('499 GET /probe/query ClientDisconnected').waitFor()

    await ended.locator('summary').focus()
    await page.keyboard.press('Enter')

    await ended
      .getByText(/ClientDisconnected ended it at [\d.]+ m?s; its work had stopped [\d.]+ ms later/)
      .waitFor()
    // The page has been redrawn meanwhile.
    const before = await ended.innerText()
    await expect.poll(() => ended.innerText()).not.toBe(before)
    expect(await ended.getAttribute('open')).not.toBeNull()
    expect(await page.evaluate('document.activeElement.localName')).toBe('summary')

    await page.getByRole('button', { name: 'Pause' }).press('Space')
    const paused = await ended.innerText()
    const statement = ended.getByRole('listitem').filter({ hasText: 'SELECT' })
    expect(await statement.innerText()).toMatch(
      /SELECT ClientDisconnected [\d.]+ ms – [\d.]+ m?s\s+select pg_sleep\(\$1\)/,
    )
    expect((await statement.locator('rect').first().boundingBox())?.width).toBeGreaterThan(100)
    if (process.env['SCREENSHOTS'] === '1') {
      await page.locator('#ended').screenshot({ path: join(docs, 'inspector-waterfall.png') })
    }
    await page.waitForTimeout(1_500)
    expect(await ended.innerText()).toBe(paused)
    expect(failed).toEqual([])
  })

  test.each(['light', 'dark'] as const)(
    'more than a hundred contexts at once, %s, and no wider than a phone',
    async (scheme) => {
      const { page, failed } = await show(scheme, scheme === 'dark' ? 390 : 1_000)
      const stream = `${url}/probe/stream?seconds=60`
      const relay = `${url}/probe/relay?to=${encodeURIComponent(stream)}`
      const requests = [
        ...Array.from({ length: 5 }, () => open(`${url}/probe/query?seconds=60`)),
        ...Array.from({ length: 40 }, () => open(relay)),
      ]
      try {
        await expect
          .poll(async () => Number.parseInt(await page.locator('#tree p').first().innerText(), 10), {
            timeout: 30_000,
          })
          .toBeGreaterThan(100)
        const wider = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
        expect(wider).toBe(false)
        const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
        expect(background).toBe(scheme === 'dark' ? 'rgb(22, 24, 28)' : 'rgb(255, 255, 255)')
        if (scheme === 'dark') await picture(page, 'inspector-dark')
      } finally {
        for (const request of requests) request.hangUp()
      }
      expect(failed).toEqual([])
    },
  )

  test.each(['light', 'dark'] as const)(
    'a link with an id opens its request, %s, on a phone',
    async (scheme) => {
      const id = `the-one-${scheme}`
      await get('/probe/transaction', 'other')
      await get('/nowhere', id)
      const { page, failed } = await show(scheme, 390, `?trace=${id}`)

      await page.locator('#ended details').waitFor()
      expect(await page.locator('#ended details[open]').innerText()).toMatch(
        /404 GET \/nowhere[^]*request the-one/,
      )
      expect(await page.getByLabel('Search').inputValue()).toBe(id)
      await page.locator('#ended summary').click()
      await page.waitForResponse(new RegExp(id))
      await expect.poll(() => page.locator('#ended details[open]').count()).toBe(0)

      await page.getByLabel('Search').fill('')
      await page.getByText('200 GET /probe/transaction').first().waitFor()
      expect(new URL(page.url()).search).toBe('')
      expect(await page.evaluate('document.documentElement.scrollWidth > innerWidth')).toBe(false)
      expect(failed).toEqual([])
    },
  )

  test('when the service has ended, the page says so and keeps its last content', async () => {
    const { page } = await show('light')
    await page.route('**/debug/contexts', (route) => route.abort())

    await page.getByText('The service does not answer').waitFor()
    expect(await page.getByText('background').count()).toBeGreaterThan(0)
  })
})
