import type { CDPSession } from 'playwright-core'
import type { Context } from '../../templates/service/src/context/context.ts'
import { sleep } from '../../templates/service/src/context/sleep.ts'
import { hasChromium, launchChromium } from '../../test/support/chromium.ts'

/** The cost of the page in the browser. */
export interface Drawn {
  /** From the request to the first paint. */
  readonly firstMs: number
  /** Time of the browser's main thread for each refresh of the page. */
  readonly updateMs: number
}

const watchedMs = 20_000

/** Opens the page in Chromium, and watches it for a while. Undefined without Chromium. */
export async function draw(ctx: Context, url: string): Promise<Drawn | undefined> {
  if (!hasChromium) return undefined
  const browser = await launchChromium()
  try {
    const page = await browser.newPage()
    const devTools = await page.context().newCDPSession(page)
    await devTools.send('Performance.enable')
    let updates = 0
    page.on('requestfinished', () => updates++)
    await page.goto(url)
    await page.waitForFunction("performance.getEntriesByName('first-contentful-paint').length > 0")
    const firstMs = await page.evaluate<number>(
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    )
    const before = { updates, seconds: await busySeconds(devTools) }
    await sleep(ctx, watchedMs)
    const seconds = (await busySeconds(devTools)) - before.seconds
    return { firstMs, updateMs: (seconds * 1_000) / (updates - before.updates) }
  } finally {
    await browser.close()
  }
}

/** The time of the page's main thread: scripts, parsing, layout, painting. */
async function busySeconds(devTools: CDPSession): Promise<number> {
  const { metrics } = await devTools.send('Performance.getMetrics')
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN
}
