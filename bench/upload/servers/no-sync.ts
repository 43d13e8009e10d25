import { open as openFile } from 'node:fs/promises'

/** Replaces node:fs/promises in the service's directory.ts by one that never syncs files. */
export * from 'node:fs/promises'

export async function open(...args: Parameters<typeof openFile>) {
  const handle = await openFile(...args)
  return Object.assign(handle, { sync: () => Promise.resolve(), datasync: () => Promise.resolve() })
}
