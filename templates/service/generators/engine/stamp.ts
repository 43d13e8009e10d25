import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Node, SyntaxKind, type Identifier } from 'ts-morph'
import { filesBelow } from '../../scripts/files-below.ts'
import { formatNew } from '../edit/format.ts'
import { stampNames, type Noun } from './names.ts'
import type { Flags, Piece } from './piece.ts'
import type { Plan } from './plan.ts'
import type { Stamping } from './record.ts'
import { parse } from '../edit/source.ts'

/** Plans the files of the piece with the noun in place of widget. Throws an Error of one sentence if a file is in the way. */
export async function stamp(plan: Plan, piece: Piece, noun: Noun, flags: Flags = {}): Promise<Stamping> {
  const files = new Map<string, string>()
  const { folder, shape: shapeOf, renews } = piece.variant?.(flags) ?? piece
  const shape = await shapeOf?.(plan.root, noun, flags)
  const again = renews !== undefined && (await plan.read(stampNames(renews, noun))) !== undefined
  for (const from of await filesOf(folder)) {
    if (again && from !== renews) continue
    const text = await readFile(join(folder, from), 'utf8')
    refuseMixing(from, text, noun)
    const to = stampNames(from, noun)
    const named = stampNames(text, noun)
    const shaped = shape === undefined ? named : shape(to, named)
    const final = await formatNew(plan.root, to, shaped, shaped === text)
    if (again) await plan.edit(to, final)
    else await plan.add(to, final)
    files.set(to, final)
  }
  return { piece: piece.name, noun, flags, files }
}

/** Plans the files of the piece that are missing, unchanged. */
export async function stampMissing(plan: Plan, piece: Piece): Promise<Stamping> {
  const files = new Map<string, string>()
  for (const to of await filesOf(piece.folder)) {
    if ((await plan.read(to)) !== undefined) continue
    const text = await formatNew(plan.root, to, await readFile(join(piece.folder, to), 'utf8'), true)
    await plan.add(to, text)
    files.set(to, text)
  }
  return { piece: piece.name, flags: {}, files }
}

/** The folders and compose files that are stamped. The other files of a piece's folder describe the piece. */
const stamped = /^(?:src|test|scripts|docs|ops|k8s|compose\.[\w.]+)$/

/** The paths of the files that a piece stamps, relative to its folder. */
async function filesOf(piece: string): Promise<string[]> {
  return (await filesBelow(piece)).filter((path) => stamped.test(path.split('/')[0] ?? ''))
}

/**
 * Throws if stamping would give two things one name: a piece that has `file` and `widget` does not compile with the noun `file`.
 */
function refuseMixing(path: string, text: string, noun: Noun): void {
  if (!path.endsWith('.ts')) return
  const origins = new Map<string, string>()
  for (const identifier of parse(path, text).getDescendantsOfKind(SyntaxKind.Identifier)) {
    if (isMemberName(identifier)) continue
    const name = identifier.getText()
    const stamped = stampNames(name, noun)
    const other = origins.get(stamped) ?? name
    if (other !== name) {
      throw new Error(
        `The code of this piece (${path}) uses "${stamped}" for something else: choose another name.`,
      )
    }
    origins.set(stamped, name)
  }
}

function isMemberName(identifier: Identifier): boolean {
  const parent = identifier.getParent()
  if (Node.isPropertyAccessExpression(parent) || Node.isPropertyAssignment(parent))
    return parent.getNameNode() === identifier
  return (
    Node.isPropertySignature(parent) || Node.isMethodSignature(parent) || Node.isMethodDeclaration(parent)
  )
}
