import { expect, test } from 'vitest'
import { List, type Linked } from '../../../src/context/list.ts'

class Entry implements Linked<Entry> {
  readonly name: string
  list: List<Entry> | undefined
  previous: Entry | undefined
  next: Entry | undefined

  constructor(name: string) {
    this.name = name
  }
}

function filled(names: string): { list: List<Entry>; entries: Entry[] } {
  const list = new List<Entry>()
  const entries = Array.from(names, (name) => new Entry(name))
  for (const entry of entries) list.add(entry)
  return { list, entries }
}

function read(list: List<Entry>): string {
  return Array.from(list, ({ name }) => name).join('')
}

test('entries are in the order in which they were added', () => {
  expect(read(filled('abc').list)).toBe('abc')
  expect(read(new List<Entry>())).toBe('')
})

test.each([
  ['the first', 0, 'bcd'],
  ['one in the middle', 1, 'acd'],
  ['the last', 2, 'abd'],
])('%s can be deleted once, and another added', (_, index, left) => {
  const { list, entries } = filled('abc')
  const entry = entries[index] ?? new Entry('none')

  expect([list.delete(entry), list.delete(entry)]).toEqual([true, false])

  list.add(new Entry('d'))
  expect(read(list)).toBe(left)
  expect(entry).toMatchObject({ list: undefined, previous: undefined, next: undefined })
})

test('deleting the only entry leaves an empty list', () => {
  const { list, entries } = filled('a')

  for (const entry of entries) list.delete(entry)

  expect(read(list)).toBe('')
  list.add(new Entry('b'))
  expect(read(list)).toBe('b')
})

test('an entry of another list is not deleted', () => {
  const { list } = filled('a')
  const { list: other, entries } = filled('b')

  expect(entries.map((entry) => list.delete(entry))).toEqual([false])
  expect(read(other)).toBe('b')
})

test('an entry may be deleted during the iteration', () => {
  const { list } = filled('abc')
  const seen: string[] = []

  for (const entry of list) {
    seen.push(entry.name)
    list.delete(entry)
  }

  expect([seen.join(''), read(list)]).toEqual(['abc', ''])
})

test('takeAll empties the list, and its entries point to no other', () => {
  const { list, entries } = filled('abc')

  expect(list.takeAll()).toEqual(entries)

  expect(read(list)).toBe('')
  for (const entry of entries) expect([entry.list, entry.previous, entry.next]).toEqual(Array(3))
  list.add(new Entry('d'))
  expect(read(list)).toBe('d')
})
