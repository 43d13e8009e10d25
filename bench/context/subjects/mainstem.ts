import {
  afterFunc,
  background,
  contextKey,
  withCancel,
  withTimeout,
  withValue,
  type Context,
} from '../../../templates/service/src/context/context.ts'
import type { Subject } from '../measure.ts'

/** As in a service: the root, and below it a context that lives as long as the server. */
const server: Context = withCancel(background())
const onEnd = (): void => undefined

export function cancel(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) withCancel(server).cancel()
    },
  }
}

export function using(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        using ctx = withCancel(server)
        if (ctx.deadline !== undefined) throw new Error('using: unexpected deadline')
      }
    },
  }
}

export function timeout(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) withTimeout(server, 30_000).cancel()
    },
  }
}

/** Node keeps a list of timers for each duration, and removes it with the last timer of that duration. */
export function timeoutBesideAnother(): Subject {
  withTimeout(server, 30_000)
  return timeout()
}

/** As in a request: the parent's deadline is earlier, so there is no timer. */
export function timeoutBelowAnEarlier(): Subject {
  const request = withTimeout(server, 20_000)
  return {
    batch(times) {
      for (let i = 0; i < times; i++) withTimeout(request, 30_000).cancel()
    },
  }
}

export function signal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const ctx = withCancel(server)
        ctx.signal.addEventListener('abort', onEnd)
        ctx.cancel()
      }
    },
  }
}

export function timeoutSignal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const ctx = withTimeout(server, 30_000)
        ctx.signal.addEventListener('abort', onEnd)
        ctx.cancel()
      }
    },
  }
}

export function after(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) afterFunc(server, onEnd)()
    },
  }
}

export function value(depth: number): () => Subject {
  return () => {
    const wanted = contextKey<number>('wanted')
    let ctx = withValue(server, wanted, 1)
    for (let i = 1; i < depth; i++) ctx = withValue(ctx, contextKey<number>(`key ${i}`), i)
    let sum = 0
    return {
      batch(times) {
        for (let i = 0; i < times; i++) sum += ctx.value(wanted) ?? 0
        if (sum < times) throw new Error('value: the value was not found')
      },
    }
  }
}

export function family(read: 'signal' | 'no signal', children: number): () => Subject {
  return () => {
    let parent = withCancel(server)
    return {
      children,
      family: {
        make(count) {
          parent = withCancel(server)
          for (let i = 0; i < count; i++) {
            const child = withCancel(parent)
            if (read === 'signal') child.signal.addEventListener('abort', onEnd)
          }
        },
        end() {
          parent.cancel()
        },
      },
    }
  }
}
