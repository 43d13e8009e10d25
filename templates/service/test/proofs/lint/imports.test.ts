import { Linter } from 'eslint'
import tseslint from 'typescript-eslint'
import { expect, test } from 'vitest'
import { imports } from '../../../lint/imports.ts'

/** What the rows of imports.ts report about this code in this file. */
function refused(file: string, code: string): string[] {
  const parser = tseslint.parser as Linter.Parser
  const config: Linter.Config[] = [{ files: ['**/*.ts'], languageOptions: { parser } }, ...imports]
  return new Linter().verify(code, config, { filename: file }).map(({ message }) => message)
}

test.each([
  ['src/main.ts', './routes.ts'],
  ['src/main.ts', './config.ts'],
  ['src/main.ts', './platform/http/boundary.ts'],
  ['src/routes.ts', './things/things.routes.ts'],
  ['src/prepare.ts', './things/things.uploads.ts'],
  ['src/workers.ts', './jobs.ts'],
  ['src/jobs.ts', './things/things.job.ts'],
  ['src/things/things.routes.ts', './things.schema.ts'],
  ['src/things/parts/things.part.ts', '../things.schema.ts'],
  ['src/things/things.routes.ts', '../platform/http/route.ts'],
  ['src/things/things.repository.ts', 'drizzle-orm'],
  ['src/things/things.schema.ts', 'drizzle-orm/pg-core'],
  ['src/things/things.schema.ts', '../parts/parts.schema.ts'],
  ['src/platform/http/boundary.ts', '../../context/context.ts'],
  ['src/platform/http/boundary.ts', './answer.ts'],
  ['src/platform/http/boundary.ts', '../problem.ts'],
  ['src/platform/http/server.ts', '../lifecycle/closers.ts'],
  ['src/platform/uploads/content.ts', '../http/etag.ts'],
  ['src/platform/platform.ts', './uploads/multipart.ts'],
  ['src/platform/problem.ts', './causes.ts'],
  ['src/platform/causes.ts', '../context/context.ts'],
  ['src/health/health.routes.ts', '../platform/database/database.ts'],
  ['src/platform/http/boundary.ts', 'hono'],
  ['src/config.ts', 'zod'],
  ['generators/pieces/upload/src/widgets/widgets.routes.ts', '../platform/http/route.ts'],
  ['src/platform/http/boundary.test.ts', '../../main.ts'],
  ['test/support/probe.routes.ts', '../../src/routes.ts'],
])('%s may import %s', (file, imported) => {
  expect(refused(file, `import '${imported}'`)).toEqual([])
})

test.each([
  ['src/context/context.ts', '../platform/telemetry/log.ts'],
  ['src/platform/http/boundary.ts', '../../routes.ts'],
  ['src/platform/http/boundary.ts', '../../config.ts'],
  ['src/platform/http/boundary.ts', '../../things/things.routes.ts'],
  ['src/platform/http/boundary.ts', '../../migrate.ts'],
  ['src/platform/http/server.ts', '../../health/health.routes.ts'],
  ['src/platform/http/boundary.ts', '../database/database.ts'],
  ['src/platform/http/boundary.ts', '../platform.ts'],
  ['src/platform/database/database.ts', '../http/route.ts'],
  ['src/platform/telemetry/log.ts', '../lifecycle/closers.ts'],
  ['src/platform/storage/storage.ts', '../uploads/content.ts'],
  ['src/platform/problem.ts', './client/call-failed.ts'],
  ['src/platform/causes.ts', './problem.ts'],
  ['src/platform/platform.ts', './admin/admin.ts'],
  ['src/platform/platform.ts', '../health/health.routes.ts'],
  ['src/things/things.routes.ts', '../routes.ts'],
  ['src/things/things.routes.ts', '../config.ts'],
  ['src/things/things.routes.ts', '../../test/support/client.ts'],
  ['src/things/things.routes.ts', '../parts/parts.schema.ts'],
  ['src/things/things.schema.ts', '../parts/parts.repository.ts'],
  ['src/things/parts/things.part.ts', '../../parts/parts.schema.ts'],
  ['src/routes.ts', './main.ts'],
  ['src/config.ts', './platform/telemetry/log.ts'],
  ['generators/pieces/upload/src/widgets/widgets.routes.ts', '../main.ts'],
  ['src/things/things.routes.ts', 'hono'],
  ['src/things/things.routes.ts', 'hono/http-exception'],
  ['src/things/things.repository.ts', 'pg'],
  ['src/things/things.repository.ts', 'drizzle-orm/node-postgres'],
  ['src/things/things.repository.ts', '@opentelemetry/sdk-node'],
  ['src/things/things.test-support.ts', '../context/test-context.ts'],
])('%s may not import %s', (file, imported) => {
  expect(refused(file, `import '${imported}'`)).toHaveLength(1)
})

test.each([
  ['src/things/things.ts', `import { background } from '../context/context.ts'`],
  ['src/things/things.ts', `import { todo as root } from '../context/context.ts'`],
  ['src/things/things.ts', `import * as contexts from '../context/context.ts'; contexts.background()`],
  ['src/platform/things.ts', `export { background } from '../context/context.ts'`],
  ['src/main.ts', `import { todo } from './context/context.ts'`],
  ['src/things/things.test.ts', `import { background } from '../context/context.ts'`],
])('%s may not make a root: %s', (file, code) => {
  expect(refused(file, code)).toHaveLength(1)
})

test('the programs may make the root', () => {
  expect(refused('src/main.ts', `import { background } from './context/context.ts'`)).toEqual([])
  expect(refused('src/migrate.ts', `import { background } from './context/context.ts'`)).toEqual([])
})
