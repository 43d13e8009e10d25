import { describe, expect, test } from 'vitest'
import { Pressure } from '../../../../src/platform/database/pressure.ts'

/** A pool whose calls each hold a connection for `ms`. */
function holding(ms: number): Pressure {
  const pressure = new Pressure()
  for (let n = 0; n < 100; n++) pressure.finished(ms)
  return pressure
}

/** The longest wait of a call that is not the first in line. */
function longest(pressure: Pressure, leftMs: number, hasLess = false) {
  return pressure.longestWait(leftMs, 1, () => hasLess)
}

const now = 1_000_000
const just = { since: now }

test('before the first connection came back, every call is let in, whatever its deadline', () => {
  const pressure = new Pressure()

  expect(pressure.expectedWait(1_000, [just], now)).toBe(0)
  expect(longest(pressure, 1)).toEqual({ ms: Infinity, why: 'deadline' })
})

describe('the expected wait', () => {
  test('is one hold for each earlier call, divided by the number of connections', () => {
    const pressure = holding(100)

    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(100)
    expect(pressure.expectedWait(3, [just], now)).toBeCloseTo(400)
    expect(pressure.expectedWait(3, [just, just, just, just], now)).toBeCloseTo(100)
  })

  test('counts a connection that is held for longer than usual as held for as long again', () => {
    expect(holding(100).expectedWait(0, [{ since: now - 500 }], now)).toBeCloseTo(500)
    expect(holding(100).expectedWait(0, [{ since: now - 50 }], now)).toBeCloseTo(100)
  })

  test('is an average in which the first calls count alike, and later ones a tenth', () => {
    const pressure = new Pressure()
    pressure.finished(100)
    pressure.finished(300)
    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(200)
    for (let n = 0; n < 100; n++) pressure.finished(200)

    pressure.finished(1_200)

    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(300)
  })

  test('is shorter where callers give up, and only as much as they do', () => {
    const pressure = holding(100)
    for (let n = 0; n < 1_000; n++) pressure.left(1_000, true)
    // One in a second: ln(1 + 1) of a second in place of a second.
    expect(pressure.expectedWait(9, [just], now)).toBeCloseTo(1_000 * Math.LN2)

    pressure.left(1_000, false)
    // Each call keeps 98 % of the average: 49 of 50 seconds.
    expect(pressure.expectedWait(9, [just], now)).toBeCloseTo(Math.log1p(0.98) / 0.000_98)
    for (let n = 0; n < 1_000; n++) pressure.left(1_000, false)

    expect(pressure.expectedWait(9, [just], now)).toBeCloseTo(1_000)
  })
})

describe('a burst', () => {
  test('is let in during its first second: the process is slow only because it reads so many requests', () => {
    const pressure = holding(20)
    pressure.idle(now)
    for (let n = 0; n < 10; n++) pressure.finished(400)
    const held = [{ since: now }]

    expect(pressure.expectedWait(199, held, now + 400, 15_000)).toBeCloseTo(4_000)
    expect(pressure.expectedWait(199, held, now + 1_000, 15_000)).toBeGreaterThan(40_000)
  })

  test('is measured sooner if less time is left', () => {
    const pressure = holding(20)
    pressure.idle(now)

    expect(pressure.expectedWait(0, [just], now + 99, 1_000)).toBeCloseTo(20)
    expect(pressure.expectedWait(0, [just], now + 100, 1_000)).toBeCloseTo(100)
  })

  test('is let in as a whole if nothing had been measured before', () => {
    const pressure = new Pressure()
    pressure.idle(now)
    pressure.finished(400)

    expect(pressure.expectedWait(199, [just], now + 500, 15_000)).toBe(0)
    expect(pressure.expectedWait(0, [just], now + 1_000, 15_000)).toBeCloseTo(1_000)
  })
})

test('one caller that leaves a new queue at once does not make it look short', () => {
  const pressure = holding(100)
  for (let n = 0; n < 100; n++) pressure.left(50, false)
  pressure.idle(now - 5_000)

  pressure.left(5, true)

  expect(pressure.expectedWait(99, [just], now)).toBeGreaterThan(1_000)
})

test('callers that left one queue do not count for the next', () => {
  const pressure = holding(100)
  for (let n = 0; n < 1_000; n++) pressure.left(50, true)

  pressure.idle(now - 5_000)

  expect(pressure.expectedWait(99, [just], now)).toBeCloseTo(10_000)
})

describe('calls whose context ended', () => {
  test('show when their connections came back, not how long work takes', () => {
    const pressure = holding(100)
    for (let n = 0; n < 100; n++) pressure.cutShort(10)

    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(10, 1)
    overload(pressure)
    expect(longest(pressure, Infinity, true)).toEqual({ ms: 105, why: 'overload' })
  })

  test('count for at most one hold: a client that leaves late does not make the service look slower', () => {
    const pressure = holding(100)
    for (let n = 0; n < 100; n++) pressure.cutShort(60_000)

    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(100)
  })

  test('count before any has finished, so that later calls do not wait in vain', () => {
    const pressure = new Pressure()

    pressure.cutShort(500)

    expect(pressure.expectedWait(0, [just], now)).toBeCloseTo(500)
  })
})

test('a call may wait for half of the time until its deadline, or for 20 ms, which is as good as none', () => {
  const pressure = holding(100)

  expect(longest(pressure, 10_000)).toEqual({ ms: 5_000, why: 'deadline' })
  expect(longest(pressure, 10)).toEqual({ ms: 20, why: 'deadline' })
})

/** Calls come every 100 ms for 2 s, each of which would wait for five holds. @returns the time of the last */
function overload(pressure: Pressure, from = now, queued: (n: number) => number = () => 50): number {
  for (let n = 0; n <= 20; n++) pressure.came(queued(n), 500, from + n * 100)
  return from + 2_000
}

describe('overload', () => {
  test('begins when calls have had to wait for a second in a queue that does not shrink', () => {
    const pressure = holding(100)
    for (let ms = 0; ms < 1_000; ms += 100) pressure.came(50, 500, now + ms)
    expect(longest(pressure, 10_000).why).toBe('deadline')

    pressure.came(50, 500, now + 1_000)
    // One short wait does not end the overload.
    pressure.came(0, 50, now + 1_100)

    expect(longest(pressure, 10_000)).toEqual({ ms: 75, why: 'overload' })
    expect(longest(pressure, 10_000, true)).toEqual({ ms: 105, why: 'overload' })
    // The deadline is nearer, or as near.
    expect(longest(pressure, 90, true)).toEqual({ ms: 45, why: 'deadline' })
    expect(longest(pressure, 150)).toEqual({ ms: 75, why: 'deadline' })
    // Without the first in line, the next returned connection would be idle.
    expect(pressure.longestWait(10_000, 0, () => false)).toEqual({ ms: 5_000, why: 'deadline' })
  })

  test('does not begin in a queue that shrinks', () => {
    const pressure = holding(100)

    overload(pressure, now, (n) => 100 - n)

    expect(longest(pressure, 10_000).why).toBe('deadline')
  })

  test('does not begin in a queue that shrinks from one half second to the next, whatever it does in between', () => {
    const pressure = holding(100)

    overload(pressure, now, (n) => 100 - n + (n % 5 === 4 ? 10 : 0))

    expect(longest(pressure, 10_000).why).toBe('deadline')
  })

  test.each([
    ['a call came that did not have to wait', (pressure: Pressure) => pressure.idle(now + 900)],
    [
      'a call came that would wait for less than a hold',
      (pressure: Pressure) => pressure.came(1, 99, now + 900),
    ],
  ])('needs another second when %s', (_, between) => {
    const pressure = holding(100)
    for (let ms = 0; ms < 900; ms += 100) pressure.came(50, 500, now + ms)
    between(pressure)
    for (let ms = 1_000; ms < 1_900; ms += 100) pressure.came(50, 500, now + ms)

    expect(longest(pressure, 10_000).why).toBe('deadline')
  })

  test('ends when for a second no call would have had to wait for half a hold', () => {
    const pressure = holding(100)
    const last = overload(pressure)
    pressure.came(1, 51, last + 900)
    pressure.came(1, 50, last + 1_900)
    expect(longest(pressure, 10_000).why).toBe('overload')

    pressure.came(1, 50, last + 1_901)

    expect(longest(pressure, 10_000).why).toBe('deadline')
  })

  test('counts a hold as at least 40 ms: the noise of the event loop does not overload a pool of quick calls', () => {
    const pressure = holding(1)
    for (let n = 0; n <= 20; n++) pressure.came(50, 39, now + n * 100)
    expect(longest(pressure, 10_000).why).toBe('deadline')

    for (let n = 0; n <= 20; n++) pressure.came(50, 40, now + 3_000 + n * 100)

    expect(longest(pressure, 10_000, true)).toEqual({ ms: 42, why: 'overload' })
  })
})
