/** All checks of a service with every piece: lint, format, all of its tests, and the proofs in test/pieces/overlay. */
import { copyFileSync, cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { add, newService, repository, runAll } from '../support/added-service.ts'
import { addEveryPiece } from '../support/every-piece.ts'

test(
  'a service with every piece compiles, lints without a warning and passes all of its tests',
  { timeout: 1_800_000 },
  async () => {
    const service = newService()
    // The overlay uses the noun widget.
    expect(await add(service, 'upload', 'widget')).toMatchObject({ code: 0, err: '' })
    await addEveryPiece(service)
    copyFileSync(
      join(repository, 'test/support/bills.forms.test.txt'),
      join(service, 'src/bills/bills.forms.test.ts'),
    )
    runAll(service, [
      ['typescript/bin/tsc', '--noEmit'],
      ['oxlint/bin/oxlint', '.'],
      ['eslint/bin/eslint.js', '.', '--max-warnings', '0'],
      ['prettier/bin/prettier.cjs', '--check', 'src', 'test', 'generators', 'tsconfig.json'],
    ])
    cpSync(join(repository, 'test/pieces/overlay'), service, { recursive: true })
    const support = 'test/proofs/support'
    cpSync(join(repository, 'templates/service', support), join(service, support), { recursive: true })
    runAll(service, [['vitest/vitest.mjs', 'run', 'src', 'test/guarantees', 'test/pieces']])
  },
)
