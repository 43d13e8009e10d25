/** An error for the user, in one sentence: what happened, where, and what to do now. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** The last lines of the program that failed, if one did. */
  readonly output: string

  constructor(sentence: string, options: { cause?: unknown; output?: string } = {}) {
    super(sentence, options.cause === undefined ? {} : { cause: options.cause })
    this.output = options.output ?? ''
  }
}

/** The Failure for an Error of one sentence from a generator of the service. */
export function failureFrom(error: unknown): Failure {
  const sentence = error instanceof Error ? error.message : String(error)
  return new Failure(sentence.replace(/\.$/, ''), { cause: error })
}

const reasons: Record<string, string> = {
  EACCES: 'there is no permission to write there: choose another directory or change its permissions',
  EPERM: 'the system does not permit it: choose another directory or change its permissions',
  EROFS: 'that file system is read-only: choose another directory',
  ENOENT: 'the system cannot create a directory there: choose another one',
  ENOTDIR: 'a part of that path is a file: choose another directory',
  ENOSPC: 'no space is left on that disk: make room or choose another directory',
  EDQUOT: 'the disk quota is used up: make room or choose another directory',
  ENAMETOOLONG: 'that path is too long for the file system: choose a shorter one',
  ENOTEMPTY: 'another program filled it meanwhile: choose another directory',
  EEXIST: 'another program created it meanwhile: choose another directory',
}

/** Turns a file system error about `path` into a Failure; returns any other error unchanged. */
export function fileFailure(error: unknown, path: string): unknown {
  const code = errorCode(error)
  const reason = code === undefined ? undefined : reasons[code]
  if (reason === undefined) return error
  return new Failure(`cannot create ${path}: ${reason}`, { cause: error })
}

/** Turns an error of writing a file of a service into a Failure; returns any other error unchanged. */
export function writeFailure(error: unknown): unknown {
  const code = errorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Failure(
      `no space is left on the disk (${code}), so nothing was written: make room, and run this again`,
      { cause: error },
    )
  if (code === undefined || !['EACCES', 'EPERM', 'EROFS'].includes(code)) return error
  const path = error instanceof Error && 'path' in error ? String(error.path) : 'a file'
  return new Failure(
    `${path} cannot be written (${code}), so nothing was written: change that, and run this again`,
    {
      cause: error,
    },
  )
}

/** The `code` of a Node error ('ENOENT'), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
