import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

test('a script of this repository refuses an argument that it does not take', () => {
  for (const script of ['sample', 'pages', 'check', 'test']) {
    const args = ['run', '-s', script, '--', '--bogus']
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' })
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(
          `^${script}: Unknown (option|argument) '--bogus': npm run ${script} takes (no arguments|only --rest)\n$`,
        ),
      ) as string,
    })
  }
})
