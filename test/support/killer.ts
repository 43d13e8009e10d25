import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * NODE_OPTIONS with which a process kills itself, as kill -9 does, right before its `at`-th call that changes the file system at a
 * path with `part` in it. The module for it is written to `scratch`.
 */
export function killerAt(at: number, part: string, scratch: string): string {
  const path = join(scratch, `killer-${at}.mjs`)
  writeFileSync(
    path,
    `import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
let calls = 0
for (const name of ['writeFileSync', 'renameSync', 'copyFileSync', 'rmSync', 'mkdirSync', 'chmodSync', 'rmdirSync']) {
  const call = fs[name]
  fs[name] = (...args) => {
    if (String(args[0]).includes(${JSON.stringify(part)}) && ++calls === ${at}) process.kill(process.pid, 'SIGKILL')
    return call(...args)
  }
}
syncBuiltinESMExports()`,
  )
  return `--import ${pathToFileURL(path).href}`
}
