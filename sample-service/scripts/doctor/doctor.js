// Starts doctor.ts, and says so if even what loads TypeScript is not installed.
import process from 'node:process'

try {
  const { tsImport } = await import('tsx/esm/api')
  await tsImport('./doctor.ts', import.meta.url)
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  const seen = error.message.split(' imported from')[0]
  const [manager] = (process.env.npm_config_user_agent || 'npm').split('/')
  const fix = `run ${manager} install`
  const json = JSON.stringify([{ check: 'installed', ok: false, seen, fix }])
  const text = `✗ installed   ${seen}
              → ${fix}`
  process.stdout.write(`${process.argv.includes('--json') ? json : text}
`)
  process.exitCode = 1
}
