import { check } from './support.ts'
import { contextTwin } from '../../../lint/rules/context-twin.ts'

const imports = `import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import { afterFunc, type Context, type Lifetime } from '../context/context.ts'
import { until } from '../context/until.ts'
`

check('context-twin', contextTwin, {
  valid: [
    {
      name: 'a stream under ctx, by another type',
      code: `${imports}export async function f(ctx: Context, open: (ctx: Context) => Promise<Readable>) { const all: AsyncIterable<Buffer> = await open(ctx); for await (const one of all) console.log(one) }`,
    },
    {
      name: 'the signal taken out of ctx',
      code: `${imports}export function f(ctx: Context) { const { signal } = ctx; return fetch('http://a', { signal }) }`,
    },
    {
      name: 'options in a constant',
      code: `${imports}export function f(ctx: Context) { const options = { signal: ctx.signal }; return fetch('http://a', options) }`,
    },
    {
      name: 'a stream that was opened under ctx',
      code: `${imports}declare function open(ctx: Context): Promise<Readable>
        export async function f(ctx: Context) { const stream = await open(ctx); for await (const part of stream) console.log(part) }`,
    },
    {
      name: 'with the signal of ctx',
      code: `${imports}export const f = (ctx: Context) => fetch('http://a', { method: 'PUT', signal: ctx.signal })`,
    },
    {
      name: 'a stream with the signal of ctx',
      code: `${imports}export const f = (ctx: Context, a: Readable, b: Writable) => pipeline(a, b, { signal: ctx.signal })`,
    },
    {
      name: 'waited for with until',
      code: `${imports}export async function f(ctx: Context) { await until(ctx, Promise.all([delay(1), fetch('http://a')])) }`,
    },
    {
      name: 'waited for with until, by name',
      code: `${imports}export async function f(ctx: Context) { const answer = fetch('http://a'); return until(ctx, answer) }`,
    },
    {
      name: 'stopped by afterFunc',
      code: `${imports}export function f(ctx: Context) {
          const timer = setTimeout(() => undefined, 1)
          afterFunc(ctx, () => clearTimeout(timer))
        }`,
    },
    { name: 'where there is no ctx', code: `${imports}export const f = () => fetch('http://a')` },
    {
      name: 'another function of the same name',
      code: `${imports}declare const app: { fetch(url: string): Response }
        export function f(ctx: Context) { const setTimeout = (n: number) => n; return [app.fetch('/'), setTimeout(1), ctx.err] }`,
    },
  ],
  invalid: [
    {
      name: 'a stream by another type',
      code: `${imports}export async function f(_ctx: Context, from: Readable) { for await (const one of from as AsyncIterable<Buffer>) console.log(one) }`,
      errors: [{ messageId: 'stream' }],
    },
    {
      name: 'for await over a stream',
      code: `${imports}export async function f(ctx: Context, stream: Readable) { for await (const part of stream) console.log(part, ctx.err) }`,
      errors: [{ messageId: 'stream' }],
    },
    {
      name: 'by way of promises',
      code: `${imports}import fs from 'node:fs'
        export const f = (ctx: Context) => [ctx.err, fs.promises.readFile('a')]`,
      errors: [
        {
          messageId: 'twin',
          suggestions: [
            {
              messageId: 'signal',
              output: `${imports}import fs from 'node:fs'
        export const f = (ctx: Context) => [ctx.err, fs.promises.readFile('a', { signal: ctx.signal })]`,
            },
          ],
        },
      ],
    },
    {
      name: 'fetch without options',
      code: `${imports}export const f = (ctx: Context) => fetch('http://a')`,
      errors: [
        {
          messageId: 'twin',
          suggestions: [
            {
              messageId: 'signal',
              output: `${imports}export const f = (ctx: Context) => fetch('http://a', { signal: ctx.signal })`,
            },
          ],
        },
      ],
    },
    {
      name: 'fetch, and what to write instead',
      code: `${imports}export const f = (req: Context) => [globalThis.fetch('http://a', req.err ? {} : undefined)]`,
      errors: [
        {
          message:
            '`globalThis.fetch` does not end with `req`: call client.fetch(req, …) of `npm run add -- client`, or pass { signal: req.signal }; or await it as until(req, …).',
        },
      ],
    },
    {
      name: 'fetch with options',
      code: `${imports}export const f = (ctx: Context) => fetch('http://a', { method: 'PUT' })`,
      errors: [
        {
          messageId: 'twin',
          suggestions: [
            {
              messageId: 'signal',
              output: `${imports}export const f = (ctx: Context) => fetch('http://a', { signal: ctx.signal, method: 'PUT' })`,
            },
          ],
        },
      ],
    },
    {
      name: 'the signal of another',
      code: `${imports}export const f = (ctx: Context, other: AbortSignal) => fetch('http://a', { signal: other })`,
      errors: [{ messageId: 'twin' }],
    },
    {
      name: 'a timer that nobody stops',
      code: `${imports}export function f(ctx: Context) { setTimeout(() => undefined, 1) }`,
      errors: [{ messageId: 'twin' }],
    },
    {
      name: 'a pause under another name',
      code: `${imports}export async function f(ctx: Context) { await delay(5) }`,
      errors: [{ messageId: 'twin' }],
    },
    {
      name: 'in a callback within the reach of ctx',
      code: `${imports}export const f = (ctx: Context, ids: string[]) => Promise.all(ids.map(() => delay(5)))`,
      errors: [{ messageId: 'twin' }],
    },
    {
      name: 'a stream',
      code: `${imports}export const f = (ctx: Context, a: Readable, b: Writable) => pipeline(a, b)`,
      errors: [
        {
          messageId: 'twin',
          suggestions: [
            {
              messageId: 'signal',
              output: `${imports}export const f = (ctx: Context, a: Readable, b: Writable) => pipeline(a, b, { signal: ctx.signal })`,
            },
          ],
        },
      ],
    },
    {
      name: 'an event',
      code: `${imports}export const f = (ctx: Context, a: Readable) => once(a, 'end')`,
      errors: [
        {
          messageId: 'twin',
          suggestions: [
            {
              messageId: 'signal',
              output: `${imports}export const f = (ctx: Context, a: Readable) => once(a, 'end', { signal: ctx.signal })`,
            },
          ],
        },
      ],
    },
    {
      name: 'a statement past the database',
      code: `${imports}import type { Pool, PoolClient } from 'pg'
        export const f = (ctx: Context, pool: Pool, client: PoolClient) => [pool.query('select 1'), client.query('select 1')]`,
      errors: [{ messageId: 'twin' }, { messageId: 'twin' }],
    },
  ],
})
