import type { Subject } from './measure.ts'

/** One way to do the work of a case. */
export interface Entry {
  readonly name: string
  /** Its package; undefined for ours and for Node's own. */
  readonly peer?: string
  /** The goal on an idle machine with two cores under Node 20: for its time, or for its ratio to ours. */
  readonly wanted?: { readonly atMost: number } | { readonly timesOurs: number }
  /** Loads it, in its own process. */
  load(): Promise<Subject>
}

/** The compared entries: the first is ours, and the others are measured against it. */
export interface Case {
  readonly name: string
  readonly title: string
  readonly unit: 'ns' | 'ms'
  readonly entries: readonly [Entry, ...Entry[]]
}

/** The packages of the peers, in the versions of the figures in docs/. */
export const peers: Readonly<Record<string, string>> = { '@loke/context': '0.0.1', effect: '4.1.0' }

const mainstem = () => import('./subjects/mainstem.ts')
const platform = () => import('./subjects/platform.ts')
const loke = () => import('./subjects/loke.ts')
const effect = () => import('./subjects/effect.ts')

const children = 100_000
/** Adding a listener walks all existing ones: 100,000 of them took 37 s. */
const fewerChildren = 10_000

export const catalogue: readonly Case[] = [
  {
    name: 'cancel',
    title: 'derive + cancel, under one long-lived parent',
    unit: 'ns',
    entries: [
      { name: 'withCancel + cancel', wanted: { atMost: 150 }, load: async () => (await mainstem()).cancel() },
      { name: 'the same with `using`', load: async () => (await mainstem()).using() },
      { name: 'AbortController + abort (no parent)', load: async () => (await platform()).controller() },
      { name: 'AbortController linked by hand', load: async () => (await platform()).linked() },
      {
        name: 'AbortSignal.any + abort',
        wanted: { timesOurs: 40 },
        load: async () => (await platform()).any(),
      },
      { name: '@loke/context withAbort', peer: '@loke/context', load: async () => (await loke()).cancel() },
      { name: 'Effect fork + interrupt', peer: 'effect', load: async () => (await effect()).cancel() },
    ],
  },
  {
    name: 'timeout',
    title: 'derive + 30 s timeout + cancel',
    unit: 'ns',
    entries: [
      {
        name: 'withTimeout + cancel',
        wanted: { atMost: 400 },
        load: async () => (await mainstem()).timeout(),
      },
      {
        name: 'the same with another of that timeout',
        load: async () => (await mainstem()).timeoutBesideAnother(),
      },
      {
        name: 'the same below an earlier deadline',
        load: async () => (await mainstem()).timeoutBelowAnEarlier(),
      },
      { name: 'setTimeout + clearTimeout alone', load: async () => (await platform()).timer() },
      {
        name: 'the same with another of that timeout',
        load: async () => (await platform()).timerBesideAnother(),
      },
      { name: 'AbortSignal.timeout (no parent, dropped)', load: async () => (await platform()).timeout() },
      { name: 'AbortSignal.any of it + abort', load: async () => (await platform()).anyTimeout() },
      {
        name: '@loke/context withTimeout',
        peer: '@loke/context',
        load: async () => (await loke()).timeout(),
      },
      {
        name: 'Effect fork of a timeout + interrupt',
        peer: 'effect',
        load: async () => (await effect()).timeout(),
      },
    ],
  },
  {
    name: 'signal',
    title: 'derive + read `signal`, listen + cancel',
    unit: 'ns',
    entries: [
      { name: 'withCancel', load: async () => (await mainstem()).signal() },
      { name: 'AbortController (no parent)', load: async () => (await platform()).controllerSignal() },
      { name: 'AbortSignal.any', load: async () => (await platform()).anySignal() },
      { name: '@loke/context withAbort', peer: '@loke/context', load: async () => (await loke()).signal() },
      {
        name: 'Effect, with a callback for the interrupt',
        peer: 'effect',
        load: async () => (await effect()).signal(),
      },
    ],
  },
  {
    name: 'timeout-signal',
    title: 'derive + 30 s timeout + read `signal`, listen + cancel',
    unit: 'ns',
    entries: [
      { name: 'withTimeout', load: async () => (await mainstem()).timeoutSignal() },
      {
        name: 'AbortSignal.any of AbortSignal.timeout',
        load: async () => (await platform()).anyTimeoutSignal(),
      },
      {
        name: '@loke/context withTimeout',
        peer: '@loke/context',
        load: async () => (await loke()).timeoutSignal(),
      },
      {
        name: 'Effect, with a callback for the interrupt',
        peer: 'effect',
        load: async () => (await effect()).timeoutSignal(),
      },
    ],
  },
  {
    name: 'after',
    title: 'afterFunc + stop',
    unit: 'ns',
    entries: [
      { name: 'afterFunc + stop', load: async () => (await mainstem()).after() },
      { name: 'addEventListener + removeEventListener', load: async () => (await platform()).listener() },
    ],
  },
  ...[1, 10, 100].map((depth): Case => ({
    name: `value-${depth}`,
    title: `value lookup, ${depth} deep`,
    unit: 'ns',
    entries: [
      { name: 'ctx.value', load: async () => (await mainstem()).value(depth)() },
      {
        name: '@loke/context property',
        peer: '@loke/context',
        load: async () => (await loke()).value(depth)(),
      },
    ],
  })),
  {
    name: 'children',
    title: 'cancel 100,000 children at once',
    unit: 'ms',
    entries: [
      {
        name: 'withCancel',
        wanted: { atMost: 50 },
        load: async () => (await mainstem()).family('no signal', children)(),
      },
      { name: 'Effect fork', peer: 'effect', load: async () => (await effect()).family(children)() },
    ],
  },
  {
    name: 'children-signal',
    title: 'cancel 100,000 children at once, a listener on the signal of each',
    unit: 'ms',
    entries: [
      { name: 'withCancel', load: async () => (await mainstem()).family('signal', children)() },
      { name: 'AbortSignal.any', load: async () => (await platform()).anyFamily(children)() },
    ],
  },
  {
    name: 'children-signal-few',
    title: 'the same with 10,000 children, for those that take quadratic time to add them',
    unit: 'ms',
    entries: [
      { name: 'withCancel', load: async () => (await mainstem()).family('signal', fewerChildren)() },
      {
        name: 'AbortController linked by hand',
        load: async () => (await platform()).linkedFamily(fewerChildren)(),
      },
      {
        name: '@loke/context withAbort',
        peer: '@loke/context',
        load: async () => (await loke()).family(fewerChildren)(),
      },
    ],
  },
]
