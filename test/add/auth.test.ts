import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { add, newService, runAll } from '../support/added-service.ts'

test('add auth with a real OpenID provider, which changes its keys while requests run', async () => {
  const service = newService()
  expect(await add(service, 'auth')).toMatchObject({ code: 0, err: '' })
  const copy = join(service, 'test/guarantees/oidc.test.ts')
  copyFileSync(join(import.meta.dirname, '../support/auth.oidc.test.txt'), copy)

  runAll(service, [['vitest/vitest.mjs', 'run', 'test/guarantees/oidc.test.ts']])
})
