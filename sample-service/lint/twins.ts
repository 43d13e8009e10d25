/**
 * A function that waits but takes no context, and its replacement. If a ctx is in scope, `context-twin` reports a call without
 * its signal. Add a row for each such function that the service calls. Go: the linter noctx.
 */
export type Twin = FunctionTwin | MethodTwin

/** A global function (`from` not given), or one that `from` exports. */
export interface FunctionTwin {
  readonly from?: string
  readonly names: readonly string[]
  /** The index of the options that take a `signal`; undefined if the function takes no signal. */
  readonly options?: number
  readonly instead: string
}

/** A method of a class that `package` declares. */
export interface MethodTwin {
  readonly package: string
  readonly methods: readonly string[]
  readonly instead: string
}

const takesSignal = 'pass { signal: ctx.signal }'
const until = 'wait for it as until(ctx, promise)'
const callback = 'use its twin in the promises module and pass { signal: ctx.signal }'

export const twins: readonly Twin[] = [
  {
    names: ['fetch'],
    options: 1,
    instead: 'call client.fetch(ctx, …) of `npm run add -- client`, or pass { signal: ctx.signal }',
  },
  {
    names: ['setTimeout', 'setInterval'],
    instead: 'await sleep(ctx, ms), or derive withTimeout(ctx, ms), or clear it in afterFunc(ctx, …)',
  },
  { from: 'timers', names: ['setTimeout', 'setInterval'], instead: 'await sleep(ctx, ms)' },
  {
    from: 'timers/promises',
    names: ['setTimeout', 'setInterval', 'setImmediate', 'scheduler.wait'],
    instead: 'await sleep(ctx, ms)',
  },
  { from: 'events', names: ['once', 'on'], options: 2, instead: takesSignal },
  { from: 'stream/promises', names: ['finished'], options: 1, instead: takesSignal },
  { from: 'stream/promises', names: ['pipeline'], options: -1, instead: `${takesSignal} last` },
  { from: 'stream', names: ['pipeline', 'finished'], instead: callback },
  { from: 'child_process', names: ['exec', 'fork'], options: 1, instead: takesSignal },
  { from: 'child_process', names: ['execFile', 'spawn'], options: 2, instead: takesSignal },
  {
    from: 'stream/consumers',
    names: ['text', 'json', 'buffer', 'arrayBuffer', 'blob', 'bytes'],
    instead: 'read addAbortSignal(ctx.signal, stream)',
  },
  {
    from: 'dns/promises',
    names: ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveSrv'],
    instead: until,
  },
  {
    from: 'fs',
    names: ['readFile', 'createReadStream', 'createWriteStream'],
    options: 1,
    instead: takesSignal,
  },
  { from: 'fs', names: ['writeFile'], options: 2, instead: takesSignal },
  { from: 'fs/promises', names: ['readFile'], options: 1, instead: takesSignal },
  { from: 'fs/promises', names: ['writeFile'], options: 2, instead: takesSignal },
  { from: 'fs/promises', names: ['watch'], options: 1, instead: takesSignal },
  { from: 'http', names: ['request', 'get'], options: 0, instead: takesSignal },
  { from: 'https', names: ['request', 'get'], options: 0, instead: takesSignal },
  { package: 'node', methods: ['question'], instead: takesSignal },
  {
    package: 'pg',
    methods: ['query', 'connect'],
    instead: 'db.run(ctx, (q) => …), which cancels the statement in Postgres',
  },
]
