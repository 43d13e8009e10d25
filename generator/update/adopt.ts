import { recordPath, type ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import type { Context } from '../../templates/service/src/context/context.ts'
import { Failure } from '../failure.ts'
import type { Screen } from '../progress.ts'
import type { Repository } from './git.ts'
import type { UpdateOptions } from './options.ts'

export async function adopted(
  _ctx: Context,
  _screen: Screen,
  _root: string,
  _repository: Repository | undefined,
  options: UpdateOptions,
): Promise<ServiceRecord> {
  if (!options.adopt)
    throw new Failure(
      `the service has no ${recordPath}: update --adopt finds out what was emitted, and records it`,
    )
  return Promise.reject(new Failure('--adopt is not built yet: nothing was written'))
}
