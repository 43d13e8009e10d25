import { open as openFile } from 'node:fs/promises'

/** Stands in for node:fs/promises in the service's directory.ts: its files are never synced. */
export * from 'node:fs/promises'

export async function open(...args: Parameters<typeof openFile>) {
  const handle = await openFile(...args)
  return Object.assign(handle, { sync: () => Promise.resolve(), datasync: () => Promise.resolve() })
}
