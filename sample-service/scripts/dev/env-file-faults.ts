/** Matches up to a quote that opens the value of another variable. */
const beforeValue = /^\s*(?:export\s+)?[\w.-]+\s*=\s*$/

/**
 * Names each line of an env file that is not NAME=value, and each quote that is not closed. Node's parseEnv accepts both: it
 * takes the next line, or all lines up to the next quote, for a part of the same variable.
 */
export function envFileFaults(text: string): string[] {
  const lines = text.split(/\r?\n/)
  const faults: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]?.trim() ?? ''
    if (line === '' || line.startsWith('#')) continue
    const [, name, value = ''] = /^(?:export\s+)?([^\s=]+)\s*=\s*(.*)$/.exec(line) ?? []
    if (name === undefined) {
      faults.push(`.env line ${at + 1} is not NAME=value`)
      continue
    }
    const quote = /^["'`]/.exec(value)?.[0]
    if (quote === undefined || value.indexOf(quote, 1) > 0) continue
    // A value in quotes may have several lines.
    const end = lines.findIndex((other, index) => index > at && other.includes(quote))
    if (end < 0 || beforeValue.test(lines[end]?.split(quote)[0] ?? ''))
      faults.push(`.env line ${at + 1}: the ${quote} of ${name} is not closed`)
    else at = end
  }
  return faults
}
