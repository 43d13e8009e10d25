import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Context } from '../../templates/service/src/context/context.ts'
import { install } from '../support/cache.ts'
import { pinned, isThere } from './pin.ts'

/** The results of a load generator. */
export interface Load {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers that were not 2xx, and connections that broke. */
  readonly failures: number
}

/** What is sent to a server. */
export interface Sent {
  /** The path is `/hello` if there is none. */
  readonly path?: string | undefined
  /** POSTed if there is one. */
  readonly body?: string | undefined
}

/** Sends requests over 64 connections for `seconds`, each after the last answer. */
export interface Generator {
  readonly name: string
  run(ctx: Context, port: number, seconds: number, sent: Sent): Promise<Load>
}

const connections = 64

/**
 * Finds wrk, or else autocannon from npm, which needs most of a core and so may measure itself.
 * @param folder where it may write
 */
export async function generator(ctx: Context, folder: string): Promise<Generator | { missing: string }> {
  if (await isThere('wrk', '--version')) return wrk(folder)
  const installed = await install(ctx, 'autocannon', '8.0.0')
  if ('missing' in installed) return { missing: `neither wrk nor autocannon: ${installed.missing}` }
  return autocannon(join(installed.folder, 'autocannon.js'))
}

function wrk(folder: string): Generator {
  return {
    name: 'wrk',
    async run(ctx, port, seconds, { path = '/hello', body }) {
      const script = join(folder, 'post.lua')
      if (body !== undefined) {
        const headers = 'wrk.headers["content-type"] = "application/json"'
        await writeFile(script, `wrk.method = "POST"\nwrk.body = [[${body}]]\n${headers}\n`)
      }
      const args = [
        `-t1`,
        `-c${connections}`,
        `-d${seconds}s`,
        '--latency',
        `http://127.0.0.1:${port}${path}`,
      ]
      if (body !== undefined) args.push('-s', script)
      const { stdout } = await promisify(execFile)(...pinned(1, 'wrk', args), { signal: ctx.signal })
      const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)
      const broken = sockets?.slice(1).reduce((sum, each) => sum + Number(each), 0) ?? 0
      return {
        requests: Number(find(stdout, /(\d+) requests in/)),
        perSecond: Number(find(stdout, /Requests\/sec:\s+([\d.]+)/)),
        p50Ms: milliseconds(find(stdout, /^\s+50%\s+(\S+)/m)),
        p99Ms: milliseconds(find(stdout, /^\s+99%\s+(\S+)/m)),
        failures: broken + Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0),
      }
    },
  }
}

function autocannon(program: string): Generator {
  return {
    name: 'autocannon',
    async run(ctx, port, seconds, { path = '/hello', body }) {
      const args = [program, '--json', '-c', `${connections}`, '-d', `${seconds}`]
      if (body !== undefined) args.push('-m', 'POST', '-H', 'content-type=application/json', '-b', body)
      args.push(`http://127.0.0.1:${port}${path}`)
      const { stdout } = await promisify(execFile)(...pinned(1, process.execPath, args), {
        signal: ctx.signal,
      })
      const seen = JSON.parse(stdout) as {
        requests: { total: number; average: number }
        latency: { p50: number; p99: number }
        non2xx: number
        errors: number
      }
      return {
        requests: seen.requests.total,
        perSecond: seen.requests.average,
        p50Ms: seen.latency.p50,
        p99Ms: seen.latency.p99,
        failures: seen.non2xx + seen.errors,
      }
    },
  }
}

function find(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1]
  if (found === undefined) throw new Error(`wrk did not say ${pattern.source}:\n${text}`)
  return found
}

function milliseconds(text: string): number {
  if (text.endsWith('us')) return Number.parseFloat(text) / 1_000
  return text.endsWith('ms') ? Number.parseFloat(text) : Number.parseFloat(text) * 1_000
}
