import type { Subject } from '../measure.ts'

/** The controller of the server, for subjects whose parent is a signal. */
const server = new AbortController()
/** Given to every abort(): without a reason it would build a DOMException with a stack. */
const reason = new Error('cancelled')
const onEnd = (): void => undefined

/** Without a parent: what a signal alone costs. */
export function controller(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) abort(new AbortController())
    },
  }
}

export function controllerSignal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        child.signal.addEventListener('abort', onEnd)
        child.abort(reason)
      }
    },
  }
}

/** The careful hand-written form: a listener on the parent that is removed again. */
export function linked(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        const onParent = (): void => child.abort(server.signal.reason)
        server.signal.addEventListener('abort', onParent, { once: true })
        abort(child)
        server.signal.removeEventListener('abort', onParent)
      }
    },
  }
}

export function any(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        AbortSignal.any([server.signal, child.signal])
        child.abort(reason)
      }
    },
  }
}

export function anySignal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        AbortSignal.any([server.signal, child.signal]).addEventListener('abort', onEnd)
        child.abort(reason)
      }
    },
  }
}

/** It has no parent and cannot be ended early, so it is dropped. */
export function timeout(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) AbortSignal.timeout(30_000)
    },
  }
}

export function anyTimeout(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        AbortSignal.any([server.signal, child.signal, AbortSignal.timeout(30_000)])
        child.abort(reason)
      }
    },
  }
}

export function anyTimeoutSignal(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        const child = new AbortController()
        const signal = AbortSignal.any([server.signal, child.signal, AbortSignal.timeout(30_000)])
        signal.addEventListener('abort', onEnd)
        child.abort(reason)
      }
    },
  }
}

/** The cost of Node's timer, which every deadline pays. */
export function timer(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) clearTimeout(setTimeout(onEnd, 30_000))
    },
  }
}

export function timerBesideAnother(): Subject {
  setTimeout(onEnd, 30_000).unref()
  return timer()
}

export function listener(): Subject {
  return {
    batch(times) {
      for (let i = 0; i < times; i++) {
        // A new function each time, like a closure over a request.
        const onAbort = (): void => onEnd()
        server.signal.addEventListener('abort', onAbort)
        server.signal.removeEventListener('abort', onAbort)
      }
    },
  }
}

export function anyFamily(children: number): () => Subject {
  return () => {
    let parent = new AbortController()
    return {
      children,
      family: {
        make(count) {
          parent = new AbortController()
          for (let i = 0; i < count; i++) {
            const own = new AbortController()
            // Held by the parent as long as it has a listener.
            AbortSignal.any([parent.signal, own.signal]).addEventListener('abort', onEnd)
          }
        },
        end() {
          parent.abort(reason)
          parent = new AbortController()
        },
      },
    }
  }
}

/** A listener on the parent for each child. Adding one walks all existing ones. */
export function linkedFamily(children: number): () => Subject {
  return () => {
    let parent = new AbortController()
    return {
      children,
      family: {
        make(count) {
          parent = new AbortController()
          for (let i = 0; i < count; i++) {
            const child = new AbortController()
            child.signal.addEventListener('abort', onEnd)
            parent.signal.addEventListener('abort', () => child.abort(reason), { once: true })
          }
        },
        end() {
          parent.abort(reason)
          parent = new AbortController()
        },
      },
    }
  }
}

function abort(child: AbortController): void {
  // Node makes a signal when it is read, and a controller is useless without its signal.
  if (child.signal.aborted) throw new Error('abort: a new signal was aborted')
  child.abort(reason)
}
