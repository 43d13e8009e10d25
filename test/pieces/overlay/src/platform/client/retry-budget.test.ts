import { expect, test } from 'vitest'
import { retryBudget } from './retry-budget.ts'

test('it begins full, and each call earns a part of a retry', () => {
  const budget = retryBudget(0.1, 2)
  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false])

  for (let i = 0; i < 9; i++) budget.earn()
  expect(budget.spend()).toBe(false)
  budget.earn()
  expect(budget.spend()).toBe(true)
  expect(budget.spend()).toBe(false)
})

test('successful calls cannot save up more', () => {
  const budget = retryBudget(0.1, 2)
  for (let i = 0; i < 1_000; i++) budget.earn()

  expect([budget.spend(), budget.spend(), budget.spend()]).toEqual([true, true, false])
})
