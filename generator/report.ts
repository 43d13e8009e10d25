import type { Created } from './create.ts'
import { quoted } from './door.ts'
import { listed } from './occupied.ts'
import { say, type Screen } from './progress.ts'
import type { Choices } from './prompts.ts'
import type { Receipt } from './verify.ts'

/** Prints the created service and the next steps; the last line is the command that repeats the run. */
export function report(screen: Screen, created: Created, choices: Choices): void {
  const count = `${created.files.length} files`
  if (created.kept !== undefined) say(screen, `Kept: ${created.kept.join(', ')}`)
  if (created.replaced !== undefined) say(screen, `Replaced: ${listed(created.replaced)}`)
  const { root, files } = created.workspace ?? { root: '', files: [] }
  if (files.length > 0) say(screen, `At the root of the workspace, ${root}: ${files.join(', ')}`)
  if (created.dryRun) {
    for (const file of created.files) say(screen, file)
    say(screen, `\nDry run: nothing was written; ${count} would be in ${created.directory}`)
  } else {
    say(screen, `\n${created.name}: ${count} in ${created.directory}`)
    if (created.verify !== undefined) reportReceipt(screen, created.verify)
    say(screen, '\nNext:')
    for (const line of nextLines(choices, created.installed)) say(screen, `  ${line}`)
  }
  say(screen, '\nTo repeat this:')
  say(screen, created.repeat)
}

/** Prints the results of `--verify`: each step with its duration and detail. */
function reportReceipt(screen: Screen, receipt: Receipt): void {
  const width = Math.max(...receipt.steps.map(({ name }) => name.length))
  say(screen, '\nVerified:')
  for (const { name, ok, ms, detail } of receipt.steps) {
    const [first = '', ...more] = detail.split('\n')
    say(
      screen,
      `  ${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(width)}  ${`${Math.round(ms)} ms`.padStart(9)}  ${first}`,
    )
    for (const line of more) say(screen, `          ${line}`)
  }
}

function nextLines({ target, manager }: Choices, installed: boolean): string[] {
  const run = manager === 'npm' ? 'npm run' : `${manager} run`
  return [`cd ${quoted(target.given)}`, ...(installed ? [] : [`${manager} install`]), `${run} dev`]
}
