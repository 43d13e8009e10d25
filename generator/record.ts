import {
  blobId,
  recordPath,
  renderRecord,
  withStamping,
} from '../templates/service/generators/engine/record.ts'
import type { ServiceRecord, Stamping } from '../templates/service/generators/engine/record.ts'
import { packageManagers } from './package-manager.ts'
import { ownPackage } from './root.ts'
import type { Service } from './service.ts'
import { textFile, type Plan, type PlannedFile } from './tree.ts'

/** Files that are not recorded: `npm run db:generate` writes them, for the team's own tables. */
const unrecorded = 'drizzle/'

/** Adds to `plan` its record. `stamped` is the part that pieces stamped, which the record lists by piece. */
export function withRecord(
  service: Service,
  plan: Plan,
  stamped: Stamping | undefined,
): Map<string, PlannedFile> {
  const skeleton = [...plan].filter(
    ([path]) => !path.startsWith(unrecorded) && stamped?.files.has(path) !== true,
  )
  const record: ServiceRecord = {
    version: ownPackage().version,
    answers: answersOf(service),
    files: Object.fromEntries(skeleton.map(([path, { bytes }]) => [path, blobId(bytes)])),
    pieces: [],
  }
  const whole = stamped === undefined ? record : withStamping(record, stamped)
  const file = textFile(renderRecord(whole))
  return new Map([...plan, [recordPath, file]])
}

/** The answers from which `serviceFrom` makes the same service. */
function answersOf({
  name,
  example,
  manager = { name: 'npm' },
  workspace,
}: Service): ServiceRecord['answers'] {
  const pm = manager.name === 'npm' ? 'npm' : `${manager.name}@${manager.version}`
  return { name, example, pm, ...(workspace === undefined ? {} : { workspace }) }
}

/** The service that a record's answers describe; undefined if they describe none. */
export function serviceFrom(answers: ServiceRecord['answers']): Service | undefined {
  const { name, example, pm = 'npm', workspace } = answers
  if (typeof name !== 'string' || typeof example !== 'boolean' || typeof pm !== 'string') return undefined
  const [manager, version] = pm.split('@')
  if (typeof workspace === 'boolean') return undefined
  const known = packageManagers.find((one) => one === manager)
  if (known === undefined) return undefined
  if (known === 'npm') return { name, example, manager: { name: known }, workspace }
  return version === undefined ? undefined : { name, example, manager: { name: known, version }, workspace }
}
