import type { Subject } from '../measure.ts'

interface Abortable {
  readonly ctx: { readonly signal: AbortSignal }
  readonly abort: () => void
}

interface Loke {
  readonly background: object
  readonly withAbort: (parent: object) => Abortable
  readonly withTimeout: (parent: object, ms: number) => Abortable
  readonly withValues: (parent: object, values: Record<symbol, unknown>) => Record<symbol, unknown>
}

// In a variable, because TypeScript does not know the package: it is installed beside the compiled file, not in this repository.
const name = '@loke/context'
const { background, withAbort, withTimeout, withValues } = (await import(name)) as Loke
const server = withAbort(background).ctx
const onEnd = (): void => undefined

export function cancel(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) withAbort(server).abort()
    },
  }
}

export function timeout(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) withTimeout(server, 30_000).abort()
    },
  }
}

export function signal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const { ctx, abort } = withAbort(server)
        ctx.signal.addEventListener('abort', onEnd)
        abort()
      }
    },
  }
}

export function timeoutSignal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const { ctx, abort } = withTimeout(server, 30_000)
        ctx.signal.addEventListener('abort', onEnd)
        abort()
      }
    },
  }
}

export function value(depth: number): () => Subject {
  return () => {
    const wanted = Symbol('wanted')
    let ctx = withValues(server, { [wanted]: 1 })
    for (let i = 1; i < depth; i++) ctx = withValues(ctx, { [Symbol(`key ${i}`)]: i })
    let sum = 0
    return {
      batch(times) {
        for (let i = 0; i < times; i++) sum += Number(ctx[wanted])
        if (sum < times) throw new Error('value: the value was not found')
      },
    }
  }
}

export function family(children: number): () => Subject {
  return () => {
    let parent = withAbort(server)
    return {
      children,
      family: {
        make(count) {
          parent = withAbort(server)
          for (let i = 0; i < count; i++) withAbort(parent.ctx).ctx.signal.addEventListener('abort', onEnd)
        },
        end() {
          parent.abort()
          parent = withAbort(server)
        },
      },
    }
  }
}
