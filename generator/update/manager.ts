import { dirname } from 'node:path'
import type { ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { managerOfLock, packageManagers, type PackageManager } from '../package-manager.ts'

/** The package manager whose lock file is nearest above the service at `root`; without one, that of the record. */
export function managerOf(root: string, { answers }: Pick<ServiceRecord, 'answers'>): PackageManager {
  for (let folder = root; ; folder = dirname(folder)) {
    const manager = managerOfLock(folder)
    if (manager !== undefined) return manager
    if (dirname(folder) === folder) break
  }
  const [recorded] = String(answers['pm'] ?? '').split('@')
  return packageManagers.find((one) => one === recorded) ?? 'npm'
}
