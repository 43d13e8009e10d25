import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { sectionsOf } from '../../../scripts/pages/guarantees-page.ts'

/** The page that `npm run pages` writes: the guarantees of a service, and those that only this repository proves. */
export const guaranteesPage = join(import.meta.dirname, '../../../../../docs/guarantees.md')

const preface = `# What a created service guarantees

Each promise is the first comment of a test file. The tests start the service as a process with a PostgreSQL of its own. They
observe it from outside, and from inside: \`pg_stat_activity\`, the upload folder, the live contexts, the descriptors in \`/proc\`.
\`npm run pages\` writes this page from those files in \`templates/service\`. A created service carries the tests of
\`test/guarantees/\`; those of \`test/proofs/\` stay here, because they prove the platform rather than a service.`

/** The page as it should be now. */
export async function renderAllGuarantees(): Promise<string> {
  const sections = [
    ...(await sectionsOf('test/guarantees')),
    ...(await sectionsOf('test/proofs/guarantees')),
  ].sort()
  return format([preface, ...sections].join('\n\n'), {
    ...(await resolveConfig(guaranteesPage)),
    parser: 'markdown',
  })
}
