import { readFile, readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { Node, SyntaxKind, type Identifier } from 'ts-morph'
import { formatNew } from './format.ts'
import { stampNames, type Noun } from './names.ts'
import type { Flags, Piece } from './piece.ts'
import type { Plan } from './plan.ts'
import { parse } from './source.ts'

/** Plans the piece's files with the noun in place of widget. Throws an Error of one sentence where one of them cannot be. */
export async function stamp(plan: Plan, piece: Piece, noun: Noun, flags: Flags = {}): Promise<void> {
  const shape = await piece.shape?.(plan.root, noun, flags)
  for (const path of await filesOf(piece.folder)) {
    const from = relative(piece.folder, path).split(sep).join('/')
    const text = await readFile(path, 'utf8')
    refuseMixing(from, text, noun)
    const to = stampNames(from, noun)
    const named = stampNames(text, noun)
    await plan.add(to, await formatNew(plan.root, to, shape === undefined ? named : shape(to, named)))
  }
}

/** Plans those of the piece's files that are missing, as they are. */
export async function stampMissing(plan: Plan, piece: Piece): Promise<void> {
  for (const path of await filesOf(piece.folder)) {
    const to = relative(piece.folder, path).split(sep).join('/')
    if ((await plan.read(to)) !== undefined) continue
    await plan.add(to, await formatNew(plan.root, to, await readFile(path, 'utf8')))
  }
}

/** What a piece stamps: all below its src/ and test/. What lies beside them tells how. */
async function filesOf(piece: string): Promise<string[]> {
  const entries = await readdir(piece, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => /^(?:src|test)$/.test(relative(piece, path).split(sep)[0] ?? ''))
    .sort()
}

/** A noun such as `file` would make one name of two that the piece keeps apart (`file` and `widget`): the code would not compile. */
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
