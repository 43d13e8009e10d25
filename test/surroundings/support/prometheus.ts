import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from './clients.ts'
import { freePort, startDaemon, temporaryFolder, type Scope } from './daemon.ts'
import { fromPage } from './page.ts'
import { pathOf } from './programs.ts'

/** A Prometheus that scrapes one instance, as docs/neighbours.md configures it. `rules` is a path or a pattern. */
export interface Prometheus {
  /** The value of an expression's only series; undefined if there is none. */
  value(expression: string): Promise<string | undefined>
  /**
   * Calls its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api).
   * @returns the `data` of the answer
   * @throws Error if the answer is one
   */
  get(path: string): Promise<unknown>
}

export async function startPrometheus(t: Scope, adminPort: number, rules: string): Promise<Prometheus> {
  const folder = await temporaryFolder(t, 'prometheus')
  const port = await freePort()
  const file = join(folder, 'prometheus.yml')
  await writeFile(
    file,
    fromPage('Prometheus', {
      'app-1:3001': `127.0.0.1:${adminPort}`,
      'scrape_interval: 15s': 'scrape_interval: 1s',
      '/etc/prometheus/alerts.yaml': rules,
    }),
  )
  const flags = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`]
  const command = [pathOf('prometheus'), ...flags, `--web.listen-address=127.0.0.1:${port}`] as const
  await startDaemon(t, command, { cwd: folder, port })
  // Until it has read what it stored, it answers with text.
  await eventually(async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok, 30_000)
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const { data, error } = (await response.json()) as { data?: unknown; error?: string }
    if (error !== undefined) throw new Error(`${path}: ${error}`)
    return data
  }
  return {
    get,
    async value(expression) {
      const data = await get(`query?query=${encodeURIComponent(expression)}`)
      const { result } = data as { result: { value: [number, string] }[] }
      return result.length === 1 ? result[0]?.value[1] : undefined
    },
  }
}
