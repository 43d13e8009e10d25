import { execFile } from 'node:child_process'
import { createServer } from 'node:net'

const answerTimeoutMs = 2_000

/** Why no program can listen there now, as an error code. Undefined if one can. */
export function listenFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

/** The program that listens on `port`, with its pid. Uses lsof or ss, whichever the system has. */
export async function portOwner(port: number): Promise<string> {
  const lsof = await output('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
  const [, pid, name] = /^p(\d+)\n(?:.*\n)*?c(.+)$/m.exec(lsof) ?? []
  if (pid !== undefined) return `${name} (pid ${pid})`
  const ss = await output('ss', ['-ltnpH', `sport = :${port}`])
  const [, command, id] = /\(\("([^"]+)",pid=(\d+)/.exec(ss) ?? []
  return command === undefined ? 'another program' : `${command} (pid ${id})`
}

function output(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: answerTimeoutMs }, (_error, stdout) => resolve(stdout))
  })
}
