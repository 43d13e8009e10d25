import { chmod, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from '../support/create.ts'
import { copySkeleton, removeCopy } from '../support/service-copy.ts'

/** Variables that shells export for other work. Each of them has broken a tool. */
const exported = {
  NODE_OPTIONS: '--enable-source-maps --max-old-space-size=4096',
  ...{ NODE_ENV: 'production', CI: 'true', FORCE_COLOR: '3', TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8' },
  ...{ HOME: '/nonexistent', PORT: '1', ADMIN_PORT: '1', HOST: '192.0.2.1', LOG_LEVEL: 'silent' },
  DATABASE_URL: 'postgres://other:project@127.0.0.1:1/other',
  ...{ PGHOST: '192.0.2.1', PGPORT: '1', PGUSER: 'other', PGPASSWORD: 'other', PGDATABASE: 'other' },
  ...{
    PGSSLMODE: 'require',
    PGOPTIONS: '-c search_path=nowhere',
    PGSERVICE: 'other',
    PGDATA: '/nonexistent',
  },
  ...{ PGDATESTYLE: 'bogus', PGCLIENTENCODING: 'bogus', PGTZ: 'bogus' },
  ...{
    OTEL_SDK_DISABLED: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_SERVICE_NAME: 'other',
  },
  // From Node 24 on, fetch and http obey these.
  ...{ NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1' },
}

test('variables that a shell exports for other work do not break npm run verify', async (t) => {
  const dir = await copySkeleton()
  t.onTestFinished(() => removeCopy(dir))
  const scratch = await realpath(await mkdtemp(join(tmpdir(), `odd $HOME #1 50% it's ü-`)))
  t.onTestFinished(() => rm(scratch, { recursive: true, force: true }))
  // Root's PostgreSQL runs as another user.
  await chmod(scratch, 0o755)
  await mkdir(join(scratch, 'real'))
  await symlink('real', join(scratch, 'link'))

  const { code, stdout, stderr } = await run(
    ['node', '--import', './scripts/tsx.js', 'scripts/verify/verify.ts', '--json'],
    { cwd: dir, env: { ...process.env, ...exported, TMPDIR: join(scratch, 'link') } },
  )

  expect(stderr).toBe('')
  expect(JSON.parse(stdout), stdout).toMatchObject({ ok: true })
  expect(code).toBe(0)
})
