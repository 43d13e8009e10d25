import { Canceled, DeadlineExceeded } from '../../../src/context/context.ts'

/** The simplest context, whatever its cost: it computes everything and stores nothing. */
export interface Plain {
  kind: 'root' | 'cancel' | 'timeout' | 'signal' | 'value' | 'detached'
  parent: number
  at?: number
  late?: Error
  foreign?: number
  key?: number
  held?: number
  err?: Error
  cause?: Error
}

/** A model of what src/context promises, with a clock that the test moves. */
export class PlainContexts {
  /** The first is the root; a parent comes before its children. */
  readonly nodes: Plain[] = [{ kind: 'root', parent: -1 }]
  /** The reason of each foreign signal that has aborted. */
  readonly aborted: (Error | undefined)[] = [undefined, undefined]
  now = 0

  node(i: number): Plain {
    const node = this.nodes[i]
    if (node === undefined) throw new Error(`the model has no context ${i}`)
    return node
  }

  /** The contexts whose end also ends `i`, from the parent up. */
  above(i: number): number[] {
    const { kind, parent } = this.node(i)
    return kind === 'root' || kind === 'detached' ? [] : [parent, ...this.above(parent)]
  }

  derive(node: Plain): void {
    const i = this.nodes.push(node) - 1
    if (node.kind === 'detached') return
    const parent = this.node(node.parent)
    if (
      node.at !== undefined &&
      (parent.err !== undefined || (this.deadline(node.parent) ?? Infinity) < node.at)
    ) {
      delete node.at
    }
    if (parent.err !== undefined && parent.cause !== undefined) {
      node.err = parent.err
      node.cause = parent.cause
    }
    const reason = node.foreign === undefined ? undefined : this.aborted[node.foreign]
    if (reason !== undefined) this.end(i, Canceled, reason)
    this.advance(0)
  }

  end(i: number, err: Error, why: Error): void {
    const node = this.node(i)
    if (node.err !== undefined) return
    const late = node.at !== undefined && node.at <= this.now
    node.err = late ? DeadlineExceeded : err
    node.cause = late ? (node.late ?? DeadlineExceeded) : why
    this.nodes.forEach((child, c) => {
      if (child.parent === i && child.kind !== 'detached') this.end(c, node.err ?? err, node.cause ?? why)
    })
  }

  abort(foreign: number, why: Error): void {
    if (this.aborted[foreign] !== undefined) return
    this.aborted[foreign] = why
    this.nodes.forEach((node, i) => {
      if (node.foreign === foreign) this.end(i, Canceled, why)
    })
  }

  advance(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const due = this.nodes
        .map((node, i) => ({ i, at: node.err === undefined ? (node.at ?? Infinity) : Infinity }))
        .reduce((first, next) => (next.at < first.at ? next : first))
      if (due.at > until) break
      this.now = Math.max(this.now, due.at)
      this.end(due.i, DeadlineExceeded, DeadlineExceeded)
    }
    this.now = until
  }

  deadline(i: number): number | undefined {
    const { kind, at, parent } = this.node(i)
    if (kind === 'root' || kind === 'detached') return undefined
    return at ?? this.deadline(parent)
  }

  value(i: number, key: number): number | undefined {
    const node = this.node(i)
    if (node.kind === 'root') return undefined
    return node.key === key ? node.held : this.value(node.parent, key)
  }
}
