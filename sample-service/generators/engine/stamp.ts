import { readFile, readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Node, SyntaxKind, type Identifier } from 'ts-morph'
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
  for (const path of await filesOf(folder)) {
    const from = relative(folder, path).split(sep).join('/')
    if (again && from !== renews) continue
    const text = await readFile(path, 'utf8')
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
  for (const path of await filesOf(piece.folder)) {
    const to = relative(piece.folder, path).split(sep).join('/')
    if ((await plan.read(to)) !== undefined) continue
    const text = await formatNew(plan.root, to, await readFile(path, 'utf8'), true)
    await plan.add(to, text)
    files.set(to, text)
  }
  return { piece: piece.name, flags: {}, files }
}

/** What lies there is stamped. The rest of a piece's folder describes it. */
const stamped = /^(?:src|test|scripts|docs|ops|k8s|compose\.[\w.]+)$/

/** The files that a piece stamps. */
async function filesOf(piece: string): Promise<string[]> {
  const entries = await readdir(piece, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => stamped.test(relative(piece, path).split(sep)[0] ?? ''))
    .sort()
}

/** Throws if the noun would make one name of two: a piece that has `file` and `widget` does not compile with the noun `file`. */
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
