import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { withCancel, withTimeout, withValue, type Context } from '../../../../src/context/context.ts'
import { testContext } from '../../../../src/context/test-context.ts'
import { Admission } from '../../../../src/platform/database/admission.ts'
import { requestKey } from '../../../../src/platform/request.ts'

/** An admission, and the calls of its observer. */
function admission(max: number) {
  const heard: string[] = []
  const gate = new Admission(max, {
    admitted: (waitedMs) => heard.push(waitedMs === 0 ? 'admitted' : 'admitted later'),
    refused: (why) => heard.push(why),
  })
  return { gate, heard }
}

function by(ctx: Context, principal: string): Context {
  return withValue(ctx, requestKey, { id: '1', method: 'GET', path: '/', principal })
}

test('no more calls than allowed have a place, and the next gets one when another is released', async (t) => {
  const ctx = testContext(t)
  const { gate, heard } = admission(2)
  const [first, second] = [await gate.enter(ctx), await gate.enter(ctx)]
  expect([gate.full(), gate.waiting]).toEqual([true, 0])

  const third = gate.enter(ctx)
  expect(gate.waiting).toBe(1)
  first.release(ctx)

  const place = await third
  expect([gate.full(), gate.waiting]).toEqual([true, 0])
  // The place is already released.
  first.release(ctx)
  expect(gate.full()).toBe(true)
  second.release(ctx)
  place.release(ctx)
  expect([gate.full(), gate.waiting]).toEqual([false, 0])
  expect(heard).toEqual(['admitted', 'admitted', 'admitted later'])
})

test('callers take turns for the places', async (t) => {
  const ctx = testContext(t)
  const { gate } = admission(1)
  const held = await gate.enter(ctx)
  const order: string[] = []
  const calls = ['a1', 'a2', 'b1', 'a3', 'b2'].map(async (name) => {
    const place = await gate.enter(by(ctx, name.charAt(0)))
    order.push(name)
    place.release(ctx)
  })

  held.release(ctx)
  await Promise.all(calls)

  expect(order).toEqual(['a1', 'b1', 'a2', 'b2', 'a3'])
})

test('a call whose context ends leaves the queue, with the cause', async (t) => {
  const ctx = testContext(t)
  const { gate } = admission(1)
  const held = await gate.enter(ctx)
  using leaving = withCancel(ctx)
  const waits = gate.enter(leaving)
  expect(gate.waiting).toBe(1)

  leaving.cancel(new Error('the client left'))

  await expect(waits).rejects.toThrow('the client left')
  expect(gate.waiting).toBe(0)
  held.release(ctx)
  expect(gate.full()).toBe(false)
  await expect(gate.enter(leaving)).rejects.toThrow('the client left')
})

test('a place that a call gets just as its context ends goes to the next call', async (t) => {
  const ctx = testContext(t)
  const { gate } = admission(1)
  const held = await gate.enter(ctx)
  using leaving = withCancel(ctx)
  const [gone, next] = [gate.enter(leaving), gate.enter(ctx)]

  leaving.cancel(new Error('the client left'))
  held.release(ctx)

  await expect(gone).rejects.toThrow('the client left')
  const place = await next
  expect([gate.full(), gate.waiting]).toEqual([true, 0])
  place.release(ctx)
  expect(gate.full()).toBe(false)
})

describe('by the time that connections are held', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  /** A pool of one connection, which has measured that calls hold it for 100 ms. One holds it now. */
  async function busy(ctx: Context) {
    const known = admission(1)
    await hold(ctx, known.gate, 100)
    return { ...known, held: await known.gate.enter(ctx) }
  }

  async function hold(ctx: Context, gate: Admission, ms: number, averaged = true): Promise<void> {
    const place = await gate.enter(ctx, averaged)
    vi.advanceTimersByTime(ms)
    place.release(ctx)
    // A second time does not count.
    vi.advanceTimersByTime(900)
    place.release(ctx)
  }

  test('a call that would be served too late is refused at once, by its deadline', async (t) => {
    const ctx = testContext(t)
    const { gate, heard } = await busy(ctx)
    using hasty = withTimeout(ctx, 190)
    using patient = withTimeout(ctx, 1_000)

    await expect(gate.enter(hasty)).rejects.toMatchObject({
      status: 503,
      message: 'the service is busy: no connection of its pool would be free in time',
      headers: { 'retry-after': expect.stringMatching(/^[1-3]$/) as string },
    })

    expect(heard.at(-1)).toBe('deadline')
    gate.enter(patient).catch(() => undefined)
    expect(gate.waiting).toBe(1)
  })

  test('a refusal sends no client away for longer than half a minute, however long the wait may become', async (t) => {
    const ctx = testContext(t)
    const { gate } = admission(1)
    await hold(ctx, gate, 600_000)
    await gate.enter(ctx)
    using hasty = withTimeout(ctx, 15_000)

    await expect(gate.enter(hasty)).rejects.toMatchObject({
      headers: { 'retry-after': expect.stringMatching(/^3[0-2]$/) as string },
    })
  })

  test('the refusal says if no connection has come back for seconds', async (t) => {
    const ctx = testContext(t)
    const { gate } = await busy(ctx)
    vi.advanceTimersByTime(2_500)
    using hasty = withTimeout(ctx, 100)

    await expect(gate.enter(hasty)).rejects.toThrow('would be free in time, and none was returned for 3 s')
  })

  test('a caller with many calls is refused, and a caller whose turn comes earlier is not', async (t) => {
    const ctx = testContext(t)
    const { gate } = await busy(ctx)
    for (let n = 0; n < 20; n++) gate.enter(by(ctx, 'many')).catch(() => undefined)
    using hasty = withTimeout(ctx, 500)

    await expect(gate.enter(by(hasty, 'many'))).rejects.toMatchObject({ status: 503 })
    gate.enter(by(hasty, 'another')).catch(() => undefined)

    expect(gate.waiting).toBe(21)
  })

  test('neither a client that leaves nor a place outside the averages makes a wait longer', async (t) => {
    const ctx = testContext(t)
    const { gate, held } = await busy(ctx)
    held.release(ctx)
    using leaving = withCancel(ctx)
    const left = await gate.enter(leaving)
    vi.advanceTimersByTime(10_000)
    leaving.cancel()
    left.release(leaving)
    await hold(ctx, gate, 10_000, false)
    await gate.enter(ctx)
    using hasty = withTimeout(ctx, 500)

    gate.enter(hasty).catch(() => undefined)

    expect(gate.waiting).toBe(1)
  })

  test('callers that give up shorten the wait of the others', async (t) => {
    const ctx = testContext(t)
    const { gate } = await busy(ctx)
    for (let n = 0; n < 20; n++) {
      using leaving = withCancel(ctx)
      const waits = gate.enter(leaving)
      vi.advanceTimersByTime(1)
      leaving.cancel()
      await expect(waits).rejects.toThrow('canceled')
    }
    using hasty = withTimeout(ctx, 190)

    gate.enter(hasty).catch(() => undefined)

    expect(gate.waiting).toBe(1)
  })

  /** One more call every 100 ms, for so many ms. */
  function queueFor(ctx: Context, gate: Admission, ms: number): void {
    for (let at = 0; at < ms; at += 100) {
      gate.enter(ctx).catch(() => undefined)
      vi.advanceTimersByTime(100)
    }
  }

  test('in a queue that does not shrink for a second, overload refuses calls, except those of a caller with less than its share', async (t) => {
    const ctx = testContext(t)
    const { gate, heard } = admission(3)
    await hold(ctx, gate, 100)
    const many = by(ctx, 'many')
    const held = [await gate.enter(many), await gate.enter(many), await gate.enter(many)]

    queueFor(many, gate, 2_500)

    expect(heard.at(-1)).toBe('overload')
    // The calls that had arrived by then; none has left.
    expect(gate.waiting).toBe(15)
    for (const place of held) place.release(many)
    await expect(gate.enter(many)).rejects.toMatchObject({ status: 503 })
    gate.enter(by(ctx, 'another')).catch(() => undefined)
    expect(gate.waiting).toBe(13)
  })

  test('the places that a caller holds count towards its share', async (t) => {
    const ctx = testContext(t)
    const { gate, heard } = admission(6)
    await hold(ctx, gate, 100)
    const [many, other] = [by(ctx, 'many'), by(ctx, 'other')]
    const held = await Promise.all(Array.from({ length: 6 }, () => gate.enter(many)))
    queueFor(many, gate, 500)
    queueFor(other, gate, 500)
    using leaving = withCancel(other)
    queueFor(leaving, gate, 2_000)
    expect(heard.at(-1)).toBe('overload')
    const left = gate.enter(leaving)
    leaving.cancel()
    await expect(left).rejects.toThrow()

    // The callers take turns: three places for each, and two calls of each wait.
    for (const place of held) place.release(many)

    expect(gate.waiting).toBe(4)
    gate.enter(many).catch(() => undefined)
    expect(gate.waiting).toBe(5)
    await expect(gate.enter(many)).rejects.toMatchObject({ status: 503 })
    expect(heard.at(-1)).toBe('overload')
  })

  test('a call that does not have to wait restarts the second', async (t) => {
    const ctx = testContext(t)
    const { gate, heard, held } = await busy(ctx)
    const served: Promise<void>[] = []
    for (let at = 0; at < 900; at += 100) {
      served.push(gate.enter(ctx, false).then((place) => place.release(ctx)))
      vi.advanceTimersByTime(100)
    }
    held.release(ctx)
    await Promise.all(served)
    await gate.enter(ctx)

    queueFor(ctx, gate, 900)

    expect(heard).not.toContain('overload')
  })
})
