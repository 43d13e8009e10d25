import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { count } from '../support/command.ts'

export interface Options {
  readonly rounds: number
  /** Bytes of the file that each round sends. */
  readonly bytes: number
  /** Bytes of the file during whose upload memory is watched. */
  readonly longBytes: number
  /** All subjects write below it, so that they share a file system. */
  readonly directory: string
}

const mebibyte = 1_048_576

export const usage = `npm run bench:upload -- [options]

  --rounds n     uploads to each subject, taken in turn (default 5)
  --mib n        size of each (default 256)
  --long-mib n   size of the one upload whose memory is watched (default 1024)
  --dir path     where the bytes go (default: the temporary folder; on Linux /dev/shm takes the disk out)
  --quick        2 rounds of 32 MiB, memory over 128: to see that it runs, not to quote`

/** @throws Error of one sentence for an invalid flag */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      mib: { type: 'string' },
      'long-mib': { type: 'string' },
      dir: { type: 'string', default: tmpdir() },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const { quick } = values
  return {
    rounds: count('--rounds', values.rounds ?? (quick ? '2' : '5')),
    bytes: mebibyte * count('--mib', values.mib ?? (quick ? '32' : '256')),
    longBytes: mebibyte * count('--long-mib', values['long-mib'] ?? (quick ? '128' : '1024')),
    directory: values.dir,
  }
}
