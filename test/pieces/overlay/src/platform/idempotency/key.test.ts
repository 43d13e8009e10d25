import { expect, test } from 'vitest'
import { z } from 'zod'
import { route } from '../http/route.ts'
import { fingerprintOf } from './key.ts'

/** As a schema may return it: JSON has one form for all. */
class Place {
  readonly #name: string
  constructor(name: string) {
    this.#name = name
  }
  toString() {
    return this.#name
  }
}

const payments = route({
  method: 'POST',
  path: '/payments',
  summary: 'Pays',
  tags: ['payments'],
  body: z.unknown(),
  responses: { 201: { description: 'Paid' } },
  handle: () => Response.json({}),
})

const fingerprint = (body: object): string =>
  fingerprintOf(payments, { params: undefined, query: undefined, body }, undefined)

test('requests are compared by what they say, whatever its order', () => {
  const first = fingerprint({ amount: 1, rates: { a: 1, b: 2 } })
  expect(fingerprint({ rates: { b: 2, a: 1 }, amount: 1 })).toBe(first)
  expect(fingerprint({ amount: 1, rates: { a: 2, b: 1 } })).not.toBe(first)
  const items = fingerprint({ items: new Set(['a', 'b']) })
  expect(fingerprint({ items: new Set(['a', 'b']) })).toBe(items)
  expect(fingerprint({ items: new Set(['a', 'c']) })).not.toBe(items)
})

test('what JSON cannot tell apart is an error that names the route and the property', () => {
  expect(() => fingerprint({ place: new Place('a') })).toThrow(
    /key\.test\.ts:\d+:\d+\): an idempotent route cannot compare 'place', a Place/,
  )
})
