import { List } from './list.ts'
import { errorOf, placeOf } from './thrown.ts'

/**
 * Go's context package for TypeScript. A context carries cancellation, a deadline and request-scoped values from the
 * function that starts work to every function below it.
 *
 * The rules, as in https://pkg.go.dev/context:
 * - A function that waits takes `ctx: Context` as its first parameter, and passes it on.
 * - Do not store a context in an object or a variable that outlives the call.
 * - The function that derives a context ends it: `using ctx = withTimeout(parent, 30_000)` is Go's
 *   `ctx, cancel := context.WithTimeout(parent, 30*time.Second); defer cancel()`.
 * - Values are for data of one request that crosses layers, never for optional parameters.
 * - Ask the context whether work ended because of it (`ctx.err`); do not guess from an error.
 *
 * Ending a context ends every descendant before `cancel` returns, parents before children. It does not wait for the
 * work to stop.
 */
export interface Context {
  /** Aborted when the context is done; its `reason` is `cause(ctx)`. Made on first use. */
  readonly signal: AbortSignal
  /** Epoch milliseconds: the earliest deadline of this context and its ancestors, or undefined. */
  readonly deadline: number | undefined
  /** Undefined until done, then `DeadlineExceeded` if a deadline passed, else `Canceled`; compare by identity. */
  readonly err: Error | undefined
  /** The nearest value on the way to the root, or undefined. */
  value<T>(key: ContextKey<T>): T | undefined
}

/**
 * A context that outlives one call, such as the root, the server's context, or one that ends with a signal. A function
 * takes it to derive a child, or to pass it to an object that lives as long. The function's own work runs under `ctx`.
 * The type has no effect at run time. It lets readers and the rules in lint/ tell such a context from `ctx`.
 */
export interface Lifetime extends Context {
  /** Never set. */
  readonly lifetime?: true
}

/** A context that its holder can end. `using` ends it with its block. A second end has no effect. */
export type CancelContext = Context & Disposable & { cancel(cause?: Error): void }

/** A typed key, compared by identity: two keys with the same name are different keys. */
export interface ContextKey<T> {
  readonly name: string
  /** Makes the name that `/debug/contexts` shows for a context with this value. */
  describe?(value: T): string
  /** Never set: it holds the type of the value. */
  readonly type?: T
}

/** A context that has not ended, and those below it, as `/debug/contexts` shows them. */
export interface LiveContext {
  readonly name: string
  /** Milliseconds since it was derived. */
  readonly ageMs: number
  readonly deadline: number | null
  readonly children: LiveContext[]
}

/** The `err` of a cancelled context. Go: context.Canceled. */
export const Canceled: Error = sentinel('AbortError', 'context canceled')

/** The `err` of a context whose deadline passed. Go: context.DeadlineExceeded. */
export const DeadlineExceeded: Error = sentinel('TimeoutError', 'context deadline exceeded')

/** Names a context for people: `withCancel(withValue(parent, contextName, 'server'))`. */
export const contextName: ContextKey<string> = contextKey('name', (name) => name)

let rootMade: { stack?: string } | undefined

/**
 * Returns the root of the process, which never ends and has no values and no deadline. Only `main` calls it, once.
 * @throws Error on the second call, with the place of the first. Go: context.Background.
 */
export function background(): Lifetime {
  if (rootMade !== undefined) {
    throw new Error(
      `background() was called before, ${placeOf(rootMade)}: a process has one root. Take a ctx parameter instead.`,
    )
  }
  Error.captureStackTrace((rootMade = {}), background)
  return new Root('background')
}

/** Returns a root for code that has no ctx parameter yet; the lint rules report it. Go: context.TODO. */
export function todo(): Context {
  return new Root('todo')
}

/** Returns a child that ends with its parent or by its own `cancel(cause)`, whichever is first. Go: WithCancelCause. */
export function withCancel(parent: Context): CancelContext {
  return derive(known(parent))
}

/**
 * Returns a child that ends in `ms` milliseconds at the latest, with `cause` if this deadline ends it. An earlier
 * deadline of the parent still holds. Go: WithTimeoutCause.
 * @throws TypeError if `ms` is not a number
 */
export function withTimeout(parent: Context, ms: number, cause?: Error): CancelContext {
  if (typeof ms !== 'number' || Number.isNaN(ms)) {
    throw new TypeError(`withTimeout: expected milliseconds, got ${String(ms)}`)
  }
  return deriveUntil(known(parent), ms, undefined, cause)
}

/**
 * Returns a child that ends at `at` (a Date, or epoch milliseconds) at the latest. If `at` has passed, the child has
 * ended when this returns. Go: WithDeadlineCause.
 * @throws TypeError if `at` is not a time
 */
export function withDeadline(parent: Context, at: Date | number, cause?: Error): CancelContext {
  const epochMs = typeof at === 'number' ? at : at.getTime()
  if (typeof epochMs !== 'number' || Number.isNaN(epochMs)) {
    throw new TypeError(`withDeadline: expected a time, got ${String(at)}`)
  }
  return deriveUntil(known(parent), epochMs - Date.now(), epochMs, cause)
}

/**
 * Returns the parent with one more value. The parent does not hold it, so any number of them under a long-lived parent
 * cost nothing. Go: WithValue.
 * @param value undefined hides the value of an ancestor
 * @throws TypeError if `key` is not a key
 */
export function withValue<T>(parent: Context, key: ContextKey<T>, value: T | undefined): Context {
  const above = known(parent)
  if (!(key instanceof Object)) throw new TypeError(`withValue: expected a contextKey, got ${String(key)}`)
  return new Value(above, key, value)
}

/**
 * Returns a context that has the parent's values and never ends. Use it for work that must outlive its request; give that
 * work a deadline of its own, and wait for it. Go: WithoutCancel.
 */
export function withoutCancel(parent: Context): Lifetime {
  const above = known(parent)
  return new Root('detached', rootOf(above.branch), above.values)
}

/**
 * Returns a child that also ends when a foreign signal aborts, with the signal's reason as its cause. A reason that is not
 * an Error becomes the `cause` of one. When the child ends, its listener on the signal is removed.
 */
export function withSignal(parent: Context, signal: AbortSignal): CancelContext {
  const child = derive(known(parent))
  if (child.err !== undefined) return child
  if (signal.aborted) end(child, Canceled, reasonOf(signal))
  else child.release = listen(signal, child)
  return child
}

/**
 * Calls `fn` once with the cause of `ctx`, in a microtask after `ctx` has ended, where Go starts a goroutine. If `ctx` has
 * already ended, it calls `fn` in the next microtask. An error that `fn` throws is an uncaught exception, as a panic is in Go.
 * @returns stop: true if it prevented `fn`, false if `fn` had already been started or stopped. Go: AfterFunc.
 */
export function afterFunc(ctx: Context, fn: (cause: Error) => void): () => boolean {
  const { host } = known(ctx)
  const callback = new Callback(host, fn)
  if (host.err !== undefined) {
    callback.announce()
    return () => false
  }
  // A root never ends, so it holds no callbacks.
  const children = host instanceof Branch ? host.children : new List<Child>()
  children.add(callback)
  return () => children.delete(callback)
}

/** Returns why `ctx` ended: the cause of the first end on the path to the root, else `ctx.err`. Undefined before the end. */
export function cause(ctx: Context): Error | undefined {
  const { branch } = known(ctx)
  return ctx.err === undefined ? undefined : branch.cause
}

/**
 * Returns the milliseconds until the deadline of `ctx`, negative once it has passed, Infinity if there is none. It goes by the
 * monotonic clock; `ctx.deadline - Date.now()` is wrong once somebody has set the wall clock. Go: time.Until.
 */
export function remainingMs(ctx: Context): number {
  const { timed } = known(ctx).host
  return timed === undefined ? Infinity : timed.expiry - performance.now()
}

/** Throws the cause of `ctx` if it has ended. Go: `if err := context.Cause(ctx); err != nil { return err }`. */
export function throwIfEnded(ctx: Context): void {
  const ended = cause(ctx)
  if (ended !== undefined) throw ended
}

/** Makes a key for `withValue`. `describe` names a context by its value, for people. */
export function contextKey<T>(name: string, describe?: (value: T) => string): ContextKey<T> {
  return describe === undefined ? { name } : { name, describe }
}

/**
 * Returns the tree of contexts below `ctx` that have not ended: at most `most` of them, those nearest to `ctx`, and at most
 * `deepest` levels.
 */
export function liveContexts(ctx: Context, most = Infinity, deepest = Infinity): LiveContext {
  const top = known(ctx).branch
  const shown = show(top, undefined)
  const queue: [Root | Branch, LiveContext, number][] = [[top, shown, 0]]
  let left = most
  for (const [branch, view, depth] of queue) {
    if (depth >= deepest) continue
    for (const child of openChildren(branch)) {
      if (left-- <= 0) return shown
      const below = show(child, branch.values)
      view.children.push(below)
      queue.push([child, below, depth + 1])
    }
  }
  return shown
}

/** Returns how many contexts below `ctx` have not ended; it stops counting at `most`. */
export function countLiveContexts(ctx: Context, most: number): number {
  const open: (Root | Branch)[] = [known(ctx).branch]
  for (const branch of open) {
    for (const child of openChildren(branch)) {
      if (open.push(child) > most) return most
    }
  }
  return open.length - 1
}

type Known = Root | Branch | Value

/** An entry in the list of a context: a child that ends with it, or a callback that runs after it. */
type Child = Branch | Callback

/** The most characters of a name: it may hold text from a client, and there may be thousands of names. */
const maxNameLength = 200

/** The longest timer of Node. A longer one would fire after 1 ms. */
const maxTimerMs = 2 ** 31 - 1

/** A context that never ends: a root, or a detached context, whose children belong to its root. */
class Root implements Context {
  readonly name: string
  readonly since = performance.now()
  readonly branch: Root
  readonly children: List<Child>
  readonly values: Value | undefined
  readonly deadline = undefined
  readonly err = undefined
  readonly cause = undefined
  readonly timed = undefined
  #controller: AbortController | undefined

  constructor(name: string, root?: Root, values?: Value) {
    this.name = name
    this.branch = root ?? this
    this.children = root?.children ?? new List()
    this.values = values
  }

  get below(): Iterable<Child> {
    return this.children
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

/** The children of a context without children. */
const none: readonly never[] = []

/** A context that can end: withCancel, withTimeout, withDeadline and withSignal return it. */
class Branch implements Context, Disposable {
  readonly since = performance.now()
  /** The context that holds it until it ends. */
  readonly owner: Root | Branch
  /** The nearest value on the way to the root. */
  readonly values: Value | undefined
  /** The context with the earliest deadline on the path to the root: this one or an ancestor. */
  timed: Branch | undefined
  /** When its own deadline passes, by the monotonic clock: a change of the wall clock does not move it. */
  expiry = Infinity
  /** The deadline in epoch milliseconds, once it was given or read. */
  at: number | undefined
  timeoutCause: Error | undefined
  timer: NodeJS.Timeout | undefined
  /** Removes its listener from a foreign signal. */
  release: (() => void) | undefined
  ended: Error | undefined
  cause: Error | undefined
  /** Its links in the list of its owner. */
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

  /** The children. Reading them makes no list, because most contexts have none. */
  get below(): Iterable<Child> {
    return this.#children ?? none
  }

  get deadline(): number | undefined {
    const { timed } = this
    if (timed === undefined) return undefined
    timed.at ??= Math.round(Date.now() + timed.expiry - performance.now())
    return timed.at
  }

  /** Compares the deadline with the clock, because a loop that never yields keeps the timer from firing. */
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

  /** Marks it as ended, releases timer and foreign signal, and returns the children it had. */
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
  /** The nearest ancestor that is not a Value: it has the signal, the deadline and the err. */
  readonly host: Root | Branch
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

class Callback {
  readonly owner: Root | Branch
  readonly fn: (cause: Error) => void
  list: List<Child> | undefined
  previous: Child | undefined
  next: Child | undefined

  constructor(owner: Root | Branch, fn: (cause: Error) => void) {
    this.owner = owner
    this.fn = fn
  }

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

/** Milliseconds: the duration of the last timer, and the one whose list `keeper` keeps. */
let lastMs = 0
let keptMs = 0
let keeper: NodeJS.Timeout | undefined

/**
 * Node keeps a list of timers for each duration. The first timer makes the list and the last one removes it, which doubles
 * the cost of a timer that is alone. If a duration is used twice in a row, one idle timer keeps its list; it does not keep
 * the process alive.
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
 * Ends `top` and all contexts below it. It first marks every context, parents before children, and then aborts signals and
 * starts callbacks, so that none of them sees a descendant that is still open. A descendant whose own deadline has passed
 * ended by that deadline, although its timer has not run. Trees may be deep, so it loops.
 */
function end(top: Branch, err: Error, cause: Error): void {
  top.list?.delete(top)
  const below = top.close(err, cause)
  if (below.length === 0) {
    top.announce()
    return
  }
  const now = performance.now()
  const ended: Child[] = [top]
  for (const child of below) ended.push(child)
  for (let i = 1; i < ended.length; i++) {
    const node = ended[i]
    if (!(node instanceof Branch)) continue
    const { owner } = node
    const children =
      node.expiry <= now
        ? node.close(DeadlineExceeded, node.timeoutCause ?? DeadlineExceeded)
        : node.close(owner.err ?? err, owner.cause ?? cause)
    for (const child of children) ended.push(child)
  }
  for (const node of ended) node.announce()
}

function lookup<T>(from: Value | undefined, key: ContextKey<T>): T | undefined {
  for (let at = from; at !== undefined; at = at.next) {
    // withValue took the value as a T or undefined, by the type of the key.
    if (at.key === key) return at.held as T | undefined
  }
  return undefined
}

function known(ctx: Context): Known {
  if (ctx instanceof Branch || ctx instanceof Value || ctx instanceof Root) return ctx
  const given: unknown = ctx
  throw new TypeError(
    `expected a Context that this module made, got ${String(given)}. For a foreign signal, use withSignal.`,
  )
}

function rootOf(branch: Root | Branch): Root {
  let at = branch
  while (at instanceof Branch) at = at.owner
  return at
}

/** The contexts that wait for a foreign signal share one listener: Node 20 warns at 11 listeners. */
const waiting = new WeakMap<AbortSignal, Set<Branch>>()

/** @returns a function that removes `branch`, and with the last one the listener */
function listen(signal: AbortSignal, branch: Branch): () => void {
  let branches = waiting.get(signal)
  if (branches === undefined) {
    waiting.set(signal, (branches = new Set()))
    signal.addEventListener('abort', onAbort, { once: true })
  }
  branches.add(branch)
  return () => {
    branches.delete(branch)
    if (branches.size > 0 || waiting.get(signal) !== branches) return
    waiting.delete(signal)
    signal.removeEventListener('abort', onAbort)
  }
}

function onAbort(this: AbortSignal): void {
  const branches = waiting.get(this) ?? []
  waiting.delete(this)
  const cause = reasonOf(this)
  for (const branch of branches) if (branch.err === undefined) end(branch, Canceled, cause)
}

function reasonOf(signal: AbortSignal): Error {
  return errorOf(signal.reason, 'the signal was aborted')
}

function* openChildren(branch: Root | Branch): Generator<Branch> {
  for (const child of branch.below) if (child instanceof Branch && child.err === undefined) yield child
}

function show(branch: Root | Branch, above: Value | undefined): LiveContext {
  const name = nameOf(branch, above)
  const cut = name.slice(0, maxNameLength).replace(/[\ud800-\udbff]$/, '')
  return {
    name: name.length > maxNameLength ? `${cut}…` : name,
    ageMs: Math.round(performance.now() - branch.since),
    deadline: branch.deadline ?? null,
    children: [],
  }
}

/** Returns the name that a value between the context and its owner gives it, else how it was derived. */
function nameOf(branch: Root | Branch, above: Value | undefined): string {
  if (branch instanceof Root) return branch.name
  for (let at = branch.values; at !== undefined && at !== above; at = at.next) {
    if (at.held !== undefined && at.key.describe !== undefined) return at.key.describe(at.held)
  }
  return branch.timed === branch ? 'withDeadline' : 'withCancel'
}

function sentinel(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  // Its stack would name the place where this module was loaded.
  error.stack = `${name}: ${message}`
  return error
}
