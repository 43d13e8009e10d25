import { List } from './list.ts'
import { errorOf } from './thrown.ts'

/**
 * Go's context package for TypeScript: a tree of contexts that carries an end (cancel, deadline), its cause and
 * request-scoped values from whoever started the work to everything done on its behalf.
 *
 * The laws, as in https://pkg.go.dev/context:
 * - a function that waits takes `ctx: Context` as its first parameter, and hands it on;
 * - no context is stored in an object or a variable that outlives the call;
 * - whoever derives a context ends it: `using ctx = withTimeout(parent, 30_000)` is Go's
 *   `ctx, cancel := context.WithTimeout(parent, 30*time.Second); defer cancel()`;
 * - values are for what belongs to one request and crosses layers, never for optional parameters;
 * - whether work ended because of its context is asked of the context (`ctx.err`), never guessed from an error.
 *
 * Ending a context ends every descendant before `cancel` returns, parents before children. It does not wait for
 * the work to stop.
 */
export interface Context {
  /** Aborted when the context is done; its `reason` is `cause(ctx)`. Made on first use. */
  readonly signal: AbortSignal
  /** Epoch milliseconds: the earliest deadline of this context and its ancestors, or undefined. */
  readonly deadline: number | undefined
  /** Undefined until done, then `DeadlineExceeded` if a deadline passed, else `Canceled`; compare by identity. */
  readonly err: Error | undefined
  /** The value nearest on the way to the root, or undefined. */
  value<T>(key: ContextKey<T>): T | undefined
}

/**
 * A context that lives longer than one call: the root, and what the process hangs from it (the server's, the one that a
 * signal ends). A function takes one to derive from it, or to hand it to an object that lives as long; its own work is
 * under `ctx`. The type changes nothing at run time: it tells a reader, and the rules in lint/, which of two contexts is which.
 */
export interface Lifetime extends Context {
  /** Never set. */
  readonly lifetime?: true
}

/** A context and what ends it. `using` ends it with its block; ending it twice is ending it once. */
export type CancelContext = Context & Disposable & { cancel(cause?: Error): void }

/** A typed key, compared by identity: two keys of one name are two keys. */
export interface ContextKey<T> {
  readonly name: string
  /** How a value of this key names the context below it, where contexts are shown to people. */
  describe?(value: T): string
  /** Holds the type of the value; never set. */
  readonly type?: T
}

/** One context that has not ended, and those below it: what `/debug/contexts` shows. */
export interface LiveContext {
  readonly name: string
  /** Milliseconds since it was derived. */
  readonly ageMs: number
  readonly deadline: number | null
  /** The message of what ended it; null here, for an ended context is in no tree. */
  readonly cause: string | null
  readonly children: LiveContext[]
}

/** The `err` of a context that was cancelled. Go: context.Canceled. */
export const Canceled: Error = sentinel('AbortError', 'context canceled')

/** The `err` of a context whose deadline passed. Go: context.DeadlineExceeded. */
export const DeadlineExceeded: Error = sentinel('TimeoutError', 'context deadline exceeded')

/** Names a context wherever contexts are shown: `withCancel(withValue(parent, contextName, 'server'))`. */
export const contextName: ContextKey<string> = contextKey('name', (name) => name)

let rootCreatedAt: string | undefined

/**
 * The root of the process: never done, no values, no deadline. `main` calls it once and hands it down.
 * @throws Error on the second call, naming the place of the first. Go: context.Background.
 */
export function background(): Lifetime {
  if (rootCreatedAt !== undefined) {
    throw new Error(
      `background() was called before, ${rootCreatedAt}: a process has one root. Take a ctx parameter instead.`,
    )
  }
  rootCreatedAt = callerOf(background)
  return new Root('background')
}

/** A root for code under migration that has no context to take yet; lint reports it. Go: context.TODO. */
export function todo(): Context {
  return new Root('todo')
}

/** A child that ends with its parent or by its own `cancel(cause)`, whichever is first. Go: WithCancelCause. */
export function withCancel(parent: Context): CancelContext {
  return derive(known(parent))
}

/**
 * A child that ends `ms` milliseconds from now at the latest, with `cause` if it is this deadline that ends it.
 * A parent's earlier deadline stands. Go: WithTimeoutCause.
 * @throws TypeError if `ms` is not a number
 */
export function withTimeout(parent: Context, ms: number, cause?: Error): CancelContext {
  if (typeof ms !== 'number' || Number.isNaN(ms)) {
    throw new TypeError(`withTimeout: expected milliseconds, got ${String(ms)}`)
  }
  return deriveUntil(known(parent), ms, undefined, cause)
}

/**
 * A child that ends at `at` (a Date, or epoch milliseconds) at the latest; one that has passed ends it before
 * this returns. Go: WithDeadlineCause.
 * @throws TypeError if `at` is no time
 */
export function withDeadline(parent: Context, at: Date | number, cause?: Error): CancelContext {
  const epochMs = typeof at === 'number' ? at : at.getTime()
  if (typeof epochMs !== 'number' || Number.isNaN(epochMs)) {
    throw new TypeError(`withDeadline: expected a time, got ${String(at)}`)
  }
  return deriveUntil(known(parent), epochMs - Date.now(), epochMs, cause)
}

/**
 * The parent with one value more. It is the parent in all else, and is not registered with it: any number of
 * them under a long-lived parent keep nothing. Go: WithValue.
 * @throws TypeError if `key` is no key
 */
export function withValue<T>(parent: Context, key: ContextKey<T>, value: T): Context {
  const above = known(parent)
  if (!(key instanceof Object)) throw new TypeError(`withValue: expected a contextKey, got ${String(key)}`)
  return new Value(above, key, value)
}

/**
 * A context with the parent's values that does not end with it: no err, no deadline. For work that must outlive
 * its request; give it a deadline of its own, and someone who waits for it. Go: WithoutCancel.
 */
export function withoutCancel(parent: Context): Lifetime {
  const above = known(parent)
  return new Detached(rootOf(above.branch), above.values)
}

/**
 * A child that also ends when a foreign signal aborts, with the signal's reason as its cause (a reason that is no
 * Error becomes the `cause` of one). The listener on the signal is removed when the context ends.
 */
export function withSignal(parent: Context, signal: AbortSignal): CancelContext {
  const child = derive(known(parent))
  if (child.err !== undefined) return child
  if (signal.aborted) {
    end(child, Canceled, errorOf(signal.reason, 'the signal was aborted'))
    return child
  }
  child.release = listen(signal, child)
  return child
}

/**
 * Runs `fn` once, after `ctx` has ended and the call that ended it has returned (in a microtask, as Go runs it in
 * a goroutine); soon if it has ended already. `fn` gets the cause of `ctx`. What it throws is an uncaught exception, as a
 * panic is in Go.
 * @returns stop: true if it prevented `fn`, false if `fn` was started or stopped before. Go: AfterFunc.
 */
export function afterFunc(ctx: Context, fn: (cause: Error) => void): () => boolean {
  const { host } = known(ctx)
  if (!(host instanceof Branch)) return onlyOnce()
  const callback = new Callback(host, fn)
  if (host.err !== undefined) {
    callback.announce()
    return () => false
  }
  const { children } = host
  children.add(callback)
  return () => children.delete(callback)
}

/** Why `ctx` ended: the cause given to the first end on the path to the root, else `ctx.err`; undefined before. */
export function cause(ctx: Context): Error | undefined {
  const { branch } = known(ctx)
  return ctx.err === undefined ? undefined : branch.cause
}

/** Throws the cause of `ctx` if it has ended. Go: `if err := context.Cause(ctx); err != nil { return err }`. */
export function throwIfEnded(ctx: Context): void {
  const ended = cause(ctx)
  if (ended !== undefined) throw ended
}

/** A key for `withValue`, of its own type. `describe` names contexts by the value, where contexts are shown. */
export function contextKey<T>(name: string, describe?: (value: T) => string): ContextKey<T> {
  return describe === undefined ? { name } : { name, describe }
}

/**
 * The contexts below `ctx` that have not ended: the tree itself, so nothing is kept for it. At most `most` of them, those
 * nearest to `ctx`, and none further below it than `deepest`.
 */
export function liveContexts(ctx: Context, most = Infinity, deepest = Infinity): LiveContext {
  const top = known(ctx).branch
  const shown = show(top, undefined)
  const queue: [Root | Branch, LiveContext, number][] = [[top, shown, 0]]
  let left = most
  for (const [branch, view, depth] of queue) {
    if (depth >= deepest) continue
    for (const child of branch.below) {
      if (child instanceof Callback || child.err !== undefined) continue
      if (left-- <= 0) return shown
      const below = show(child, branch.values)
      view.children.push(below)
      queue.push([child, below, depth + 1])
    }
  }
  return shown
}

/** How many contexts there are below `ctx` that have not ended; it stops counting at `most`. */
export function countLiveContexts(ctx: Context, most: number): number {
  const queue: (Root | Branch)[] = [known(ctx).branch]
  let live = 0
  for (const branch of queue) {
    for (const child of branch.below) {
      if (child instanceof Callback || child.err !== undefined) continue
      if (++live >= most) return live
      queue.push(child)
    }
  }
  return live
}

type Known = Root | Branch | Value | Detached

/** What hangs from a context, and ends with it. */
type Child = Branch | Callback

/** Characters of what is shown of a context. */
const maxNameLength = 200

/** Timers hold 31 bits of milliseconds: beyond, setTimeout fires after 1 ms. */
const maxTimerMs = 2 ** 31 - 1

class Root implements Context {
  readonly name: string
  readonly since = performance.now()
  readonly children = new List<Child>()
  readonly deadline = undefined
  readonly err = undefined
  readonly cause = undefined
  readonly timed = undefined
  readonly values = undefined
  #controller: AbortController | undefined

  constructor(name: string) {
    this.name = name
  }

  get below(): Iterable<Child> {
    return this.children
  }

  get branch(): this {
    return this
  }

  get host(): this {
    return this
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  value(): undefined {
    return undefined
  }
}

/** Shared by all contexts that had no child when they ended. */
const none: readonly never[] = []

/** A context that can end: what withCancel, withTimeout, withDeadline and withSignal return. */
class Branch implements Context, Disposable {
  readonly since = performance.now()
  /** Where it is registered until it ends. */
  readonly owner: Root | Branch
  /** The nearest value on the way to the root. */
  readonly values: Value | undefined
  /** The context that has the earliest deadline of the path to the root: this one or an ancestor. */
  timed: Branch | undefined
  /** When its own deadline passes, if it has one: monotonic, so that it does not move with the wall clock. */
  expiry = Infinity
  /** The same as epoch milliseconds, where it was given so or has been asked for. */
  at: number | undefined
  timeoutCause: Error | undefined
  timer: NodeJS.Timeout | undefined
  /** Takes the listener off a foreign signal. */
  release: (() => void) | undefined
  ended: Error | undefined
  cause: Error | undefined
  /** Its place among the children of its owner. */
  list: List<Child> | undefined
  previous: Child | undefined
  next: Child | undefined
  #children: List<Child> | undefined
  #controller: AbortController | undefined

  constructor(owner: Root | Branch, values: Value | undefined) {
    this.owner = owner
    this.values = values
    this.timed = owner.timed
  }

  get branch(): this {
    return this
  }

  get host(): this {
    return this
  }

  get children(): List<Child> {
    this.#children ??= new List()
    return this.#children
  }

  /** The same, to look at: most have none. */
  get below(): Iterable<Child> {
    return this.#children ?? none
  }

  get deadline(): number | undefined {
    const { timed } = this
    if (timed === undefined) return undefined
    timed.at ??= Math.round(Date.now() + timed.expiry - performance.now())
    return timed.at
  }

  /** Asked against the clock: a loop that never yields sees its deadline pass, though no timer could run. */
  get err(): Error | undefined {
    if (this.ended === undefined && this.timed !== undefined && performance.now() >= this.timed.expiry) {
      expire(this.timed)
    }
    return this.ended
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.err !== undefined) this.#controller.abort(this.cause)
    }
    return this.#controller.signal
  }

  value<T>(key: ContextKey<T>): T | undefined {
    return lookup(this.values, key)
  }

  cancel(cause?: Error): void {
    if (this.err === undefined) end(this, Canceled, cause ?? Canceled)
  }

  [Symbol.dispose](): void {
    this.cancel()
  }

  /** Marks it as ended, lets go of timer, foreign signal and children; returns the children it had. */
  close(err: Error, cause: Error): readonly Child[] {
    this.ended = err
    this.cause = cause
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timer = undefined
    this.release?.()
    this.release = undefined
    return this.#children?.takeAll() ?? none
  }

  announce(): void {
    this.#controller?.abort(this.cause)
  }
}

class Value implements Context {
  readonly branch: Root | Branch
  readonly host: Root | Branch | Detached
  readonly next: Value | undefined
  readonly key: ContextKey<unknown>
  readonly held: unknown

  constructor(parent: Known, key: ContextKey<unknown>, held: unknown) {
    this.branch = parent.branch
    this.host = parent.host
    this.next = parent.values
    this.key = key
    this.held = held
  }

  get values(): this {
    return this
  }

  get deadline(): number | undefined {
    return this.host.deadline
  }

  get err(): Error | undefined {
    return this.host.err
  }

  get signal(): AbortSignal {
    return this.host.signal
  }

  value<T>(key: ContextKey<T>): T | undefined {
    return lookup(this, key)
  }
}

class Detached implements Context {
  readonly branch: Root
  readonly values: Value | undefined
  readonly deadline = undefined
  readonly err = undefined
  #controller: AbortController | undefined

  constructor(root: Root, values: Value | undefined) {
    this.branch = root
    this.values = values
  }

  get host(): this {
    return this
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  value<T>(key: ContextKey<T>): T | undefined {
    return lookup(this.values, key)
  }
}

class Callback {
  readonly owner: Branch
  readonly fn: (cause: Error) => void
  list: List<Child> | undefined
  previous: Child | undefined
  next: Child | undefined

  constructor(owner: Branch, fn: (cause: Error) => void) {
    this.owner = owner
    this.fn = fn
  }

  /** Called when its owner has ended. */
  announce(): void {
    const { fn, owner } = this
    queueMicrotask(() => fn(owner.cause ?? Canceled))
  }
}

function derive(parent: Known): Branch {
  const owner = parent.branch
  const child = new Branch(owner, parent.values)
  if (owner.err === undefined) owner.children.add(child)
  else child.close(owner.err, owner.cause ?? owner.err)
  return child
}

function deriveUntil(parent: Known, ms: number, at: number | undefined, cause: Error | undefined): Branch {
  const child = derive(parent)
  const expiry = child.since + ms
  if (child.ended !== undefined || ms === Infinity) return child
  if (child.timed !== undefined && child.timed.expiry < expiry) return child
  child.expiry = expiry
  child.at = at
  child.timeoutCause = cause
  child.timed = child
  arm(child, ms)
  return child
}

function arm(branch: Branch, left: number): void {
  if (left <= 0) {
    expire(branch)
    return
  }
  const ms = Math.min(Math.ceil(left), maxTimerMs)
  branch.timer = setTimeout(onTimer, ms, branch)
  keepTimerList(ms)
}

/** The duration of the last timer, and the one whose list is kept; milliseconds. */
let lastMs = 0
let keptMs = 0
let keeper: NodeJS.Timeout | undefined

/**
 * Node keeps timers in a list for each duration, which its first timer makes and its last takes down: twice the price of
 * a timer in a list that is there. A timer that does nothing keeps the list of a duration that is asked for again and
 * again; there is one such timer at most, and it keeps no process alive.
 */
function keepTimerList(ms: number): void {
  if (ms === keptMs) return
  if (ms === lastMs) {
    clearTimeout(keeper)
    keptMs = ms
    keeper = setTimeout(() => (keptMs = 0), ms).unref()
  }
  lastMs = ms
}

function onTimer(branch: Branch): void {
  arm(branch, branch.expiry - performance.now())
}

function expire(branch: Branch): void {
  if (branch.ended === undefined) end(branch, DeadlineExceeded, branch.timeoutCause ?? DeadlineExceeded)
}

/**
 * Ends `top` and all below it: first every context is marked, parents before children, then signals and callbacks
 * are told, so that none of them sees a descendant that is still open. A descendant whose own deadline has passed
 * ended by that, though its timer has not run: it was first. A loop, for trees may be deep.
 */
function end(top: Branch, err: Error, cause: Error): void {
  top.list?.delete(top)
  const below = top.close(err, cause)
  if (below.length === 0) {
    top.announce()
    return
  }
  const now = performance.now()
  const told: Child[] = [top]
  for (const child of below) told.push(child)
  for (let i = 1; i < told.length; i++) {
    const node = told[i]
    if (!(node instanceof Branch)) continue
    const { owner } = node
    const children =
      node.expiry <= now
        ? node.close(DeadlineExceeded, node.timeoutCause ?? DeadlineExceeded)
        : node.close(owner.err ?? err, owner.cause ?? cause)
    for (const child of children) told.push(child)
  }
  for (const node of told) node.announce()
}

function lookup<T>(from: Value | undefined, key: ContextKey<T>): T | undefined {
  for (let at = from; at !== undefined; at = at.next) {
    // The key is the type's witness: a value under it was given as T.
    if (at.key === key) return at.held as T
  }
  return undefined
}

function known(ctx: Context): Known {
  if (ctx instanceof Branch || ctx instanceof Value || ctx instanceof Root || ctx instanceof Detached)
    return ctx
  const given: unknown = ctx
  throw new TypeError(
    `expected a Context that this module made, got ${String(given)}. Use withSignal for a foreign signal.`,
  )
}

function rootOf(branch: Root | Branch): Root {
  let at = branch
  while (at instanceof Branch) at = at.owner
  return at
}

/** The contexts that wait for a foreign signal: one listener for all, since Node 20 warns at 11 listeners. */
const waiting = new WeakMap<AbortSignal, Set<Branch>>()

function listen(signal: AbortSignal, branch: Branch): () => void {
  const present = waiting.get(signal)
  const branches = present ?? new Set<Branch>()
  branches.add(branch)
  const onAbort = (): void => {
    waiting.delete(signal)
    const cause = errorOf(signal.reason, 'the signal was aborted')
    for (const waiter of branches) {
      if (waiter.err === undefined) end(waiter, Canceled, cause)
    }
  }
  if (present === undefined) {
    waiting.set(signal, branches)
    signal.addEventListener('abort', onAbort, { once: true })
    unlisten.set(branches, onAbort)
  }
  return () => {
    branches.delete(branch)
    const listener = unlisten.get(branches)
    if (branches.size > 0 || listener === undefined) return
    signal.removeEventListener('abort', listener)
    if (waiting.get(signal) === branches) waiting.delete(signal)
  }
}

const unlisten = new WeakMap<Set<Branch>, () => void>()

function onlyOnce(): () => boolean {
  let first = true
  return () => {
    const prevented = first
    first = false
    return prevented
  }
}

function show(branch: Root | Branch, above: Value | undefined): LiveContext {
  return {
    name: cut(nameOf(branch, above)),
    ageMs: Math.round(performance.now() - branch.since),
    deadline: branch.deadline ?? null,
    cause: branch.cause === undefined ? null : cut(branch.cause.message),
    children: [],
  }
}

/** A name may hold what a client has sent, and there may be thousands. */
function cut(text: string): string {
  return text.length > maxNameLength
    ? `${text.slice(0, maxNameLength).replace(/[\ud800-\udbff]$/, '')}…`
    : text
}

/** What the values between a context and the one that owns it call it, else how it was derived. */
function nameOf(branch: Root | Branch, above: Value | undefined): string {
  if (branch instanceof Root) return branch.name
  for (let at = branch.values; at !== undefined && at !== above; at = at.next) {
    if (at.key.describe !== undefined) return at.key.describe(at.held)
  }
  return branch.timed === branch ? 'withDeadline' : 'withCancel'
}

function sentinel(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  // The stack of a value that many share would name the place where this module was loaded.
  error.stack = `${name}: ${message}`
  return error
}

function callerOf(fn: () => void): string {
  const here: { stack?: string } = {}
  Error.captureStackTrace(here, fn)
  return here.stack?.split('\n')[1]?.trim() ?? 'at an unknown place'
}
