import { check } from '../support.ts'
import { arrows } from './arrows.ts'

/** One import, from a file of the service. */
function from(filename: string, imported: string) {
  return { name: `${filename} → ${imported}`, filename, code: `import '${imported}'` }
}

check('arrows', arrows, {
  valid: [
    from('src/main.ts', './routes.ts'),
    from('src/main.ts', './config.ts'),
    from('src/main.ts', './platform/http.ts'),
    from('src/routes.ts', './things/things.routes.ts'),
    from('src/prepare.ts', './things/things.uploads.ts'),
    from('src/workers.ts', './jobs.ts'),
    from('src/jobs.ts', './things/things.job.ts'),
    from('src/things/things.routes.ts', './things.schema.ts'),
    from('src/things/parts/things.part.ts', '../things.schema.ts'),
    from('src/things/things.routes.ts', '../platform/route.ts'),
    from('src/platform/http.ts', '../context/context.ts'),
    from('src/things/things.schema.ts', '../parts/parts.schema.ts'),
    from('src/config.ts', 'zod'),
    from('generators/upload/src/widgets/widgets.routes.ts', '../platform/route.ts'),
    from('src/platform/http.test.ts', '../main.ts'),
    from('test/support/probe.routes.ts', '../../src/routes.ts'),
  ],
  invalid: [
    ...[
      from('src/context/context.ts', '../platform/log.ts'),
      from('src/platform/http.ts', '../routes.ts'),
      from('src/platform/http.ts', '../config.ts'),
      from('src/platform/http.ts', '../things/things.routes.ts'),
      from('src/things/things.routes.ts', '../routes.ts'),
      from('src/things/things.routes.ts', '../config.ts'),
      from('src/routes.ts', './main.ts'),
      from('src/config.ts', './platform/log.ts'),
      from('src/platform/http.ts', '../migrate.ts'),
      from('src/things/things.routes.ts', '../../test/support/client.ts'),
      from('generators/upload/src/widgets/widgets.routes.ts', '../main.ts'),
    ].map((one) => ({ ...one, errors: [{ messageId: 'against' }] })),
    {
      ...from('src/things/things.routes.ts', '../parts/parts.schema.ts'),
      errors: [{ messageId: 'sideways' }],
    },
    {
      ...from('src/things/things.schema.ts', '../parts/parts.repository.ts'),
      errors: [{ messageId: 'sideways' }],
    },
    {
      name: 'a type, a re-export, a late import',
      filename: 'src/platform/http.ts',
      code: `import type { a } from '../main.ts'
        export { b } from '../main.ts'
        export * from '../routes.ts'
        export const c = () => import('../things/things.ts')`,
      errors: [1, 2, 3, 4].map((line) => ({ messageId: 'against', line })),
    },
  ],
})
