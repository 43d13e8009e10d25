import { expect, test } from 'vitest'
import { withCancel, type Context } from '../../context/context.ts'
import { testContext } from '../../context/test-context.ts'
import { until } from '../../context/until.ts'
import { together } from './together.ts'

/** Asks for numbers together. `runs` has what each run was asked for; a run ends with `answer` or `fail`. */
function numbers() {
  const runs: { asked: readonly number[]; answer: () => void; fail: (error: Error) => void }[] = []
  const one = together((ctx: Context, asked: readonly number[]) => {
    const answers = new Promise<readonly number[]>((resolve, reject) => {
      runs.push({ asked, answer: () => resolve(asked), fail: reject })
    })
    return until(ctx, answers)
  })
  return { runs, one }
}

test('what is asked during a run waits for the next one, which asks for all', async (t) => {
  const ctx = testContext(t)
  const { runs, one } = numbers()
  const first = one(ctx, 1)
  await expect.poll(() => runs.length).toBe(1)
  const others = Promise.all([one(ctx, 2), one(ctx, 3)])

  runs[0]?.answer()

  expect(await first).toBe(1)
  runs[1]?.answer()
  expect(await others).toEqual([2, 3])
  expect(runs.map(({ asked }) => asked)).toEqual([[1], [2, 3]])
})

test('when a run fails, the calls that wait for the next one fail with it, and later calls do not', async (t) => {
  const ctx = testContext(t)
  const { runs, one } = numbers()
  const first = one(ctx, 1)
  await expect.poll(() => runs.length).toBe(1)
  const failed = Promise.allSettled([first, one(ctx, 2)])
  const broken = new Error('broken')

  runs[0]?.fail(broken)

  expect(await failed).toEqual(Array(2).fill({ status: 'rejected', reason: broken }))
  const later = one(ctx, 3)
  await expect.poll(() => runs.length).toBe(2)
  runs[1]?.answer()
  expect(await later).toBe(3)
})

test('when all calls of a run have ended, it is cancelled, and the next one begins', async (t) => {
  const ctx = testContext(t)
  using caller = withCancel(ctx)
  const { runs, one } = numbers()
  const left = new Error('the client left')
  const first = expect(one(caller, 1)).rejects.toBe(left)
  await expect.poll(() => runs.length).toBe(1)
  const next = one(ctx, 2)

  caller.cancel(left)

  await first
  await expect.poll(() => runs.length).toBe(2)
  runs[1]?.answer()
  expect(await next).toBe(2)
})
