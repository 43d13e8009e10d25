import validate from 'validate-npm-package-name'
import { isReservedOnWindows } from '../templates/service/generators/engine/names.ts'
import { Failure } from './failure.ts'

/**
 * Checks the name of a service: it becomes a package, a Kubernetes object, a host name and a span's service.name, so it must
 * be legal as each of them (npm's rules; RFC 1035 label), and as a folder on Windows.
 * @throws Failure saying which rule is broken
 */
export function checkName(name: string): void {
  const verdict = validate(name)
  if (!verdict.validForNewPackages) {
    const [why = 'npm refuses it'] = [...(errorsOf(verdict) ?? []), ...(warningsOf(verdict) ?? [])]
    throw new Failure(`'${name}' cannot name a service: ${inOurWords(why)}; choose a name like my-service`)
  }
  if (isReservedOnWindows(name)) {
    throw new Failure(
      `'${name}' cannot name a service: it is a device on Windows, where no folder can have that name; choose a name like my-service`,
    )
  }
  if (!label.test(name)) {
    throw new Failure(
      `'${name}' cannot name a service: it also names its Kubernetes objects, so use a-z, 0-9 and -, ` +
        'a letter first, at most 63 in all, like my-service',
    )
  }
}

/** RFC 1035 section 2.3.1 in lower case, which Kubernetes requires of a Service's name. */
const label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/

/** npm's rules for names, rephrased: npm's own messages describe how the rules changed. */
function inOurWords(why: string): string {
  if (why.includes('capital letters')) return 'a name has no capital letters'
  if (why.includes('special characters') || why.includes('URL-friendly'))
    return 'a name has only a-z, 0-9 and -'
  if (why.includes('more than 214')) return 'a name has at most 63 characters'
  return why.replace(/^name /, 'a name ')
}

function errorsOf(verdict: ReturnType<typeof validate>): string[] | undefined {
  return 'errors' in verdict ? verdict.errors : undefined
}

function warningsOf(verdict: ReturnType<typeof validate>): string[] | undefined {
  return 'warnings' in verdict ? verdict.warnings : undefined
}
