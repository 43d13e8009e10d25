// Starts doctor.ts. Reports a Node that is too old for it, and a missing package that loads TypeScript.
import process from 'node:process'
import { nodeFault } from '../missing.js'

try {
  const { tsImport } = await import('tsx/esm/api')
  await tsImport('./doctor.ts', import.meta.url)
} catch (error) {
  const tooOld = nodeFault()
  if (tooOld === undefined && error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  const [manager] = (process.env.npm_config_user_agent || 'npm').split('/')
  const check = tooOld === undefined ? 'installed' : 'node'
  const { seen, fix } = tooOld ?? {
    seen: error.message.split(' imported from')[0],
    fix: `run ${manager} install`,
  }
  const json = JSON.stringify([{ check, ok: false, seen, fix }])
  const text = `✗ ${check.padEnd(11)} ${seen}
              → ${fix}`
  process.stdout.write(`${process.argv.includes('--json') ? json : text}
`)
  process.exitCode = 1
}
