import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ServiceRecord } from '../../templates/service/generators/engine/record.ts'
import { lockFiles, packageManagers, type PackageManager } from '../package-manager.ts'

const writers: Readonly<Record<(typeof lockFiles)[number], PackageManager>> = {
  'package-lock.json': 'npm',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
}

/** The package manager whose lock file is nearest above the service at `root`; without one, that of the record. */
export function managerOf(root: string, { answers }: Pick<ServiceRecord, 'answers'>): PackageManager {
  for (let folder = root; ; folder = dirname(folder)) {
    const lock = lockFiles.find((file) => existsSync(join(folder, file)))
    if (lock !== undefined) return writers[lock]
    if (dirname(folder) === folder) break
  }
  const [recorded] = String(answers['pm'] ?? '').split('@')
  return packageManagers.find((one) => one === recorded) ?? 'npm'
}
