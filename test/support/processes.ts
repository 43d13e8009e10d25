import { spawn, spawnSync } from 'node:child_process'

/** Runs a command line on a terminal, in the service's folder, and answers each question once it is asked. */
export async function converse(
  service: string,
  commandLine: string,
  answers: [RegExp, string][],
): Promise<{ code: number | null; screen: string }> {
  const open = [...answers]
  const env = { ...process.env, CI: '', npm_config_dry_run: '' }
  const child = spawn('script', ['-qec', commandLine, '/dev/null'], { cwd: service, env })
  let screen = ''
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString()
    const [question, answer] = open[0] ?? []
    if (!question?.test(screen)) return
    open.shift()
    child.stdin.write(answer ?? '')
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, screen }
}

interface Process {
  pid: string
  command: string
}

/** All descendants of this process. */
export function childrenOf(parent: number): Process[] {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
  const all = stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .flatMap((match) =>
      match ? [{ pid: match[1] ?? '', parent: match[2] ?? '', command: match[3] ?? '' }] : [],
    )
  const below = (pid: string): Process[] =>
    all.filter((one) => one.parent === pid).flatMap((one) => [one, ...below(one.pid)])
  return below(String(parent))
}

/** Calls `look` every 50 ms until it returns a value, for at most 60 s. */
export async function until<T>(look: () => T | undefined): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const seen = look()
    if (seen !== undefined) return seen
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it did not come within 60 s')
}
