import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * NODE_OPTIONS with which a process kills itself, as kill -9 does, right before its `at`-th call that changes the file system at
 * a path with `part` in it. With SIGSTOP it writes `stopping` to stderr and stops. The module is written to `scratch`.
 */
export function killerAt(
  at: number,
  part: string,
  scratch: string,
  signal: 'SIGKILL' | 'SIGSTOP' = 'SIGKILL',
): string {
  const path = join(scratch, `killer-${signal}-${at}.mjs`)
  writeFileSync(
    path,
    `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
let calls = 0
const names = ['writeFileSync', 'renameSync', 'copyFileSync', 'rmSync', 'mkdirSync', 'chmodSync', 'rmdirSync']
for (const [module, name] of [...names.map((name) => [fs, name]), [fs.promises, 'mkdtemp']]) {
  const call = module[name]
  module[name] = (...args) => {
    if (String(args[0]).includes(${JSON.stringify(part)}) && ++calls === ${at}) {
      if ('${signal}' === 'SIGSTOP') fs.writeSync(2, 'stopping\\n')
      process.kill(process.pid, '${signal}')
    }
    return call(...args)
  }
}
syncBuiltinESMExports()`,
  )
  return `--import ${pathToFileURL(path).href}`
}
