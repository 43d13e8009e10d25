import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { get, upload, type Answer } from '../../../bench/support/documents.ts'
import { todo } from '../../../templates/service/src/context/context.ts'

/** The results of the clients. */
export interface Seen {
  posts: number
  gets: number
  /** Answers other than 200 and 201, with the time of day, to find them in the logs of the proxy. */
  readonly failed: string[]
}

/** Clients that write and read in turn on kept connections, each after its last answer. */
export function startLoad(port: number, clients: number): { readonly seen: Seen; stop(): Promise<Seen> } {
  const seen: Seen = { posts: 0, gets: 0, failed: [] }
  const agent = new Agent({ keepAlive: true })
  const content = randomBytes(512)
  let stopping = false
  const note = (what: string, { status, body }: Answer, right: number): void => {
    if (status !== right)
      seen.failed.push(
        `${new Date().toISOString()} ${what}: ${status} ${body
          .replace(/<[^>]*>/g, '')
          .trim()
          .slice(0, 200)}`,
      )
  }
  const client = async (): Promise<void> => {
    while (!stopping) {
      seen.posts++
      note('POST', await upload(todo(), agent, port, content), 201)
      seen.gets++
      note('GET', await get(agent, port, '/documents?limit=1'), 200)
    }
  }
  const all = Promise.all(Array.from({ length: clients }, client))
  return {
    seen,
    async stop() {
      stopping = true
      await all
      agent.destroy()
      return seen
    },
  }
}
