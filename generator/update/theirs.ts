import {
  blobId,
  recordFrom,
  recordPath,
  type ServiceRecord,
} from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { Failure } from '../failure.ts'
import { serviceFrom } from '../record.ts'
import { planService } from '../service.ts'
import type { PlannedFile } from '../tree.ts'

/** A file of the new template. */
export interface TheirFile {
  readonly id: string
  readonly file: PlannedFile
}

/** The files that the new template emits for the answers of a service. */
export interface Theirs {
  readonly record: ServiceRecord
  /** The skeleton's files, without those of pieces and without drizzle/, which update never touches. */
  readonly files: ReadonlyMap<string, TheirFile>
}

/** Plans the service again, as this version emits it. @throws Failure if the record's answers do not describe a service */
export async function planTheirs(ctx: Context, { answers }: ServiceRecord): Promise<Theirs> {
  const service = serviceFrom(answers)
  if (service === undefined)
    throw new Failure(`the answers in ${recordPath} do not describe a service: restore that file from git`)
  const plan = await planService(ctx, service)
  const record = recordFrom(plan.get(recordPath)?.bytes.toString('utf8') ?? '')
  const files = new Map<string, TheirFile>()
  for (const [path, file] of plan) if (Object.hasOwn(record.files, path)) files.set(path, theirFile(file))
  return { record: { ...record, answers }, files }
}

/** The file with its id. */
export function theirFile(file: PlannedFile): TheirFile {
  return { id: blobId(file.bytes), file }
}
