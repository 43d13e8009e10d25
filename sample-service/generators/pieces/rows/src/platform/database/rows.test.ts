import { eq } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import { expect, test, type TestContext } from 'vitest'
import { openTestDatabase } from '../../../test/support/database.ts'
import { QueryFailed } from './errors.ts'
import { Problem } from '../problem.ts'
import { constraintProblem, equalTo } from './rows.ts'

const owners = pgTable('rows_test_owners', { id: integer('id').primaryKey() })
const pets = pgTable('rows_test_pets', {
  id: integer('id').primaryKey(),
  name: text('name'),
  ownerId: integer('owner_id').references(() => owners.id),
})

const tags = pgTable('rows_test_tags', { id: integer('id').primaryKey(), word: text('word').unique() })

test('a reference to a missing row is a 400 that names the field', async (t) => {
  const { ctx, db } = await openTables(t)
  const insert = (ownerId: number) =>
    db.run(ctx, (q) => q.insert(pets).values({ id: ownerId, ownerId })).catch(constraintProblem(pets))

  await insert(1)
  const failure: unknown = await insert(7).catch((error: unknown) => error)

  expect(failure).toBeInstanceOf(Problem)
  expect(failure).toMatchObject({
    status: 400,
    errors: [{ field: 'body.ownerId', message: 'refers to a row that does not exist' }],
  })
})

test('deleting a row that others refer to is a 409', async (t) => {
  const { ctx, db } = await openTables(t)
  await db.run(ctx, (q) => q.insert(pets).values({ id: 1, ownerId: 1 }))

  const deleted = db
    .run(ctx, (q) => q.delete(owners).where(eq(owners.id, 1)))
    .catch(constraintProblem(owners))

  await expect(deleted).rejects.toMatchObject({ status: 409, cause: { sqlState: '23503' } })
})

test('a value of a unique field that another row has is a 409 that names the field', async (t) => {
  const { ctx, db } = await openTables(t)
  const insert = (id: number) =>
    db.run(ctx, (q) => q.insert(tags).values({ id, word: 'new' })).catch(constraintProblem(tags))

  await insert(1)

  await expect(insert(2)).rejects.toMatchObject({
    status: 409,
    errors: [{ field: 'body.word', message: 'another row has this value' }],
    cause: { sqlState: '23505' },
  })
})

test('any other failure is thrown unchanged', async (t) => {
  const { ctx, db } = await openTables(t)

  const twice = db.run(ctx, (q) => q.insert(owners).values({ id: 1 })).catch(constraintProblem(owners))

  await expect(twice).rejects.toBeInstanceOf(QueryFailed)
  await expect(twice).rejects.toMatchObject({ sqlState: '23505' })
})

test('equalTo compares each given value; without values every row matches', async (t) => {
  const { ctx, db } = await openTables(t)
  const rows = [
    { id: 1, name: 'a', ownerId: 1 },
    { id: 2, name: 'a', ownerId: null },
    { id: 3, name: 'b', ownerId: 1 },
  ]
  await db.run(ctx, (q) => q.insert(pets).values(rows))
  const find = (values: Parameters<typeof equalTo<typeof pets>>[1]) =>
    db.run(ctx, (q) => q.select({ id: pets.id }).from(pets).where(equalTo(pets, values)).orderBy(pets.id))

  expect(await find({ name: 'a', ownerId: 1 })).toEqual([{ id: 1 }])
  expect(await find({ name: 'a', ownerId: undefined })).toEqual([{ id: 1 }, { id: 2 }])
  expect(await find({})).toHaveLength(3)
})

async function openTables(t: TestContext) {
  const { ctx, db, observer } = await openTestDatabase(t)
  await observer.query(`
    create table rows_test_owners (id int primary key);
    create table rows_test_pets (id int primary key, name text, owner_id int);
    alter table rows_test_pets add constraint rows_test_pets_owner_id_rows_test_owners_id_fk
      foreign key (owner_id) references rows_test_owners;
    create table rows_test_tags (id int primary key, word text constraint rows_test_tags_word_unique unique);
    insert into rows_test_owners values (1)`)
  return { ctx, db }
}
