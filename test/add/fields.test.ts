import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nounFrom } from '../../templates/service/generators/engine/nouns.ts'
import { fieldsFrom, grammar } from '../../templates/service/generators/pieces/resource/fields.ts'
import { resource } from '../../templates/service/generators/pieces/resource/piece.ts'
import { shapeFor } from '../../templates/service/generators/pieces/resource/shape.ts'

test('a list of fields has parameters, nullable fields and references', () => {
  const fields = fieldsFrom(
    ' title:text,price : numeric(10, 2), due_at:TIMESTAMPTZ?,owner-id:uuid? -> price-lists ',
  )
  expect(
    fields.map(({ name, column, nullable, references }) => [name, column, nullable, references]),
  ).toEqual([
    ['title', 'title', false, undefined],
    ['price', 'price', false, undefined],
    ['dueAt', 'due_at', true, undefined],
    ['ownerId', 'owner_id', true, 'price_lists'],
  ])
})

test('the words after a type make it unique, give it an index and a default, in any order', () => {
  const fields = fieldsFrom(
    "a:text unique, b:text:index, c:enum( x | y-z )[] default=[], d:varchar(9)? default='a, b' index, e:integer DEFAULT = -7, f:uuid->owners, g:jsonb default={}",
  )
  expect(
    fields.map(({ name, unique, indexed, nullable, default: value }) => [
      name,
      [unique && 'unique', indexed && 'index', nullable && 'null'].filter((word) => word !== false).join(' '),
      value?.input,
    ]),
  ).toEqual([
    ['a', 'unique', undefined],
    ['b', 'index', undefined],
    ['c', '', '.default([])'],
    ['d', 'index null', ".default('a, b')"],
    ['e', '', '.default(-7)'],
    ['f', 'index', undefined],
    ['g', '', '.default({})'],
  ])
})

test('each example and each type of the help is valid', () => {
  const types = Array.from(
    grammar.matchAll(/(?:^ {2}| {2})([a-z]+(?:\([^)]*\)|\[\]|\?|->\w+)?)(?= {2})/gm),
    ([, type]) => type,
  )
  expect(types.length).toBeGreaterThan(12)
  for (const type of types.filter((one) => !/^(?:unique|index|default)/.test(one ?? ''))) {
    expect(fieldsFrom(`a:${type ?? ''}`)).toHaveLength(1)
  }
  for (const example of resource.examples ?? []) {
    expect(fieldsFrom(/"(.*)"/.exec(example)?.[1] ?? '').length).toBeGreaterThan(1)
  }
})

test('a field can have a name that JavaScript or SQL reserve', () => {
  expect(fieldsFrom('class:text, order:text, user:text, delete:boolean').map(({ column }) => column)).toEqual(
    ['class', 'order', 'user', 'delete'],
  )
})

test.each([
  ['', 'number 1, "": it is empty'],
  ['a:text,', 'number 2, "": it is empty'],
  ['title', 'number 1, "title": write a name, a colon and a type'],
  ['a:text, b:string', 'number 2, "b:string": there is no type string; use text.'],
  ['a:numeric', 'as in numeric(10,2)'],
  ['a:numeric(2,3)', 'as in numeric(10,2)'],
  ['a:numeric(x)', 'as in numeric(10,2)'],
  ['a:varchar', 'as in varchar(200)'],
  ['a:varchar(0)', 'as in varchar(200)'],
  ['a:varchar(10', 'as in varchar(200)'],
  ['title text', 'such as title:text'],
  ['a:text; b:text', 'separate fields by commas'],
  ['a:text not null', 'a field may be null only if its type ends with ?'],
  ['a:text nullable', 'write ? after the type'],
  ['a:uuid primary key', 'every resource has an id'],
  ["a:text default 'x'", 'default=draft'],
  ['a:uuid references owners', 'ownerId:uuid->owners'],
  ['a:blob', 'there is no type blob; use text, varchar(200), integer'],
  ['a:constructor', 'there is no type constructor'],
  ['a:DateTime', 'use timestamptz.'],
  ['a:text(3)', 'text takes no parentheses'],
  ['a:text!', 'unexpected "!"; a type may be followed by [], ?, ->table, unique, index and default=value'],
  ['a:uuid->', 'unexpected "->"'],
  ['a:text required', 'leave that out'],
  ['a:text default="x', 'unexpected "default=\\"x"'],
  ['a:enum', 'as in enum(draft|paid)'],
  ['a:enum()', 'as in enum(draft|paid)'],
  ['a:enum(x|x)', 'write its values, each once'],
  ['a:enum(a b)', 'of letters, digits, _ and -'],
  ['a:jsonb[]', 'write jsonb'],
  ['a:uuid[]->owners', 'a list cannot refer to rows'],
  ['a:boolean unique', 'only text, varchar, integer, bigint, uuid, date and timestamptz can be'],
  ['a:text[] unique', 'it cannot be unique'],
  ['a:uuid->owners unique', 'a reference cannot be unique'],
  ['a:jsonb index', 'lists cannot be filtered by it'],
  ['a:text unique default=x', 'it cannot have a default'],
  ['a:enum(x|y) default=z', '"z" cannot be its default; write one such as default=x.'],
  ['a:integer default=2147483648', 'write one such as default=0.'],
  ['a:date default=2026-02-30', 'write one such as default=2026-01-31.'],
  ['a:numeric(2,1) default=10', 'write one such as default=1.1.'],
  ['Ärger:text', 'at most 30 English letters and digits, beginning with a letter'],
  ['9lives:text', 'at most 30 English letters and digits, beginning with a letter'],
  [`${'a'.repeat(41)}:text`, 'at most 30 English letters and digits, beginning with a letter'],
  ['created_at:date', '"createdAt" is a field of every resource'],
  ['limit:integer', '"limit" is a parameter of every list'],
  ['constructor:text', '"constructor" is a property of every object in JavaScript'],
  ['xmin:text', '"xmin" is a column of every table in Postgres'],
  ['dueAt:date, due-at:date', '--fields has "dueAt" twice'],
])('%j is refused in one sentence that says where: %s', (list, why) => {
  expect(() => fieldsFrom(list)).toThrow(why)
  expect(() => fieldsFrom(list)).toThrow(/^--fields[^\n]*\.$/)
})

test('a reference needs an existing table, and the type of its id', async (t) => {
  const service = mkdtempSync(join(tmpdir(), 'mainstem-fields-'))
  t.onTestFinished(() => rmSync(service, { recursive: true }))
  mkdirSync(join(service, 'src/people'), { recursive: true })
  writeFileSync(
    join(service, 'src/people/people.schema.ts'),
    "import { bigint, pgTable } from 'drizzle-orm/pg-core'\n// pgTable('ghosts', { id: uuid() })\nexport const owners = pgTable('people', { id: bigint({ mode: 'number' }).primaryKey() })\n",
  )
  const shape = (fields: string) => shapeFor(service, nounFrom('category'), fields)

  await expect(shape('ghostId:uuid->ghosts')).rejects.toThrow('name an existing one (people).')
  await expect(shape('ownerId:uuid->people')).rejects.toThrow('write ownerId:bigint->people.')
  await expect(shape('parentId:uuid->categories')).rejects.toThrow('write parentId:uuid?->categories.')
  const shaped = await shape('ownerId:bigint->people')
  const schema = shaped(
    'src/categories/categories.schema.ts',
    "import { pgTable, text } from 'drizzle-orm/pg-core'\nexport const categories = pgTable('categories', { title: text('title') })\n",
  )
  expect(schema).toContain("import { owners } from '../people/people.schema.ts'")
  expect(schema).toContain('.references(() => owners.id)')
  expect(schema).toContain("index('categories_owner_id_id_idx').on(table.ownerId, table.id)")
})

test('an object without any of the fields has no stray comma', async () => {
  const shape = await shapeFor('/', nounFrom('box'), 'data:jsonb')
  const api =
    "import { z } from 'zod'\nexport const BoxFilter = z.strictObject({\n  title: text().optional(),\n})\n"
  expect(shape('src/boxes/boxes.api.ts', api)).toContain('z.strictObject({\n  \n})')
})
