// JavaScript, since nothing else can be loaded before the packages are installed.
import process from 'node:process'

/** Returns what `load` returns. If a package is not installed yet, says so and exits with 1. */
export async function needingInstall(load) {
  try {
    return await load()
  } catch (error) {
    if (!/MODULE_NOT_FOUND$/.test(error.code)) throw error
    const [manager] = (process.env.npm_config_user_agent || 'npm').split('/')
    const missing = /'([^'/]+)/.exec(error.message)?.[1] ?? 'a package'
    process.stderr.write(`${missing} is not installed: run ${manager} install first\n`)
    process.exit(1)
  }
}
