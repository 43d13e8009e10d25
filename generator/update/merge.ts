import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Context } from '../../templates/service/src/context/context.ts'
import { mergeFile } from './git.ts'
import { isMergeable, mergeText, type Labels, type MergedText } from './merge-text.ts'

/** Merges by lines, with git if the texts are too long. Without git, long texts are one conflict. */
export function mergeLines(
  ctx: Context,
  ours: string,
  base: string | undefined,
  theirs: string,
  labels: Labels,
): MergedText {
  if (isMergeable(ours, base, theirs)) return mergeText(ours, base, theirs, labels)
  const whole = `<<<<<<< ${labels.yours}\n${ours}\n=======\n${theirs}\n>>>>>>> ${labels.theirs}\n`
  if (base === undefined) return { text: whole, conflicts: 1 }
  const folder = mkdtempSync(join(tmpdir(), 'mainstem-merge-'))
  try {
    writeFileSync(join(folder, 'ours'), ours)
    writeFileSync(join(folder, 'base'), base)
    writeFileSync(join(folder, 'theirs'), theirs)
    const names = [labels.yours, labels.base, labels.theirs]
    return mergeFile(ctx, folder, ['ours', 'base', 'theirs'], names) ?? { text: whole, conflicts: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
