import {
  Node,
  SyntaxKind,
  type ArrayLiteralExpression,
  type Block,
  type InterfaceDeclaration,
  type ObjectLiteralExpression,
} from 'ts-morph'
import type { Edit } from './edit.ts'

/** The style of a file that new text must follow. */
export interface Style {
  newline: string
  indent: string
  quote: string
  semicolon: string
}

type List = ArrayLiteralExpression | ObjectLiteralExpression

/** Adds an element at the beginning of an array literal: on its own line if the first element is on its own line. */
export function insertAtBegin(text: string, list: ArrayLiteralExpression, element: string): Edit {
  const [first] = list.getElements()
  if (!first) return insertFirst(text, list, element)
  const at = first.getLeadingCommentRanges()[0]?.getPos() ?? first.getStart()
  const head = lineHead(text, at)
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  return { at, text: `${element},${/^[ \t]*$/.test(head) ? `${newline}${head}` : ' '}` }
}

/** Adds an element at the end of an array or object literal: on its own line if the last element is on its own line. */
export function insertElement(text: string, list: List, element: string): Edit {
  const elements = Node.isArrayLiteralExpression(list) ? list.getElements() : list.getProperties()
  const last = elements.at(-1)
  if (!last) return insertFirst(text, list, element)
  const close = list.getEnd() - 1
  const tail = text.slice(last.getEnd(), close)
  const comma = /^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)*,/.exec(tail)?.[0].length
  const head = lineHead(text, last.getStart())
  if (!/\n/.test(tail) || !/^[ \t]*$/.test(head)) {
    return {
      at: last.getEnd() + (comma ?? 0),
      text: `${comma === undefined ? ',' : ''} ${element}${comma === undefined ? '' : ','}`,
    }
  }
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const line = `${newline}${head}${element},`
  if (comma === undefined) {
    const comment = /^[^\r\n]*/.exec(tail)?.[0] ?? ''
    return { at: last.getEnd(), end: last.getEnd() + comment.length, text: `,${comment}${line}` }
  }
  const at = last.getEnd() + comma
  return { at: at + (/^[^\r\n]*/.exec(text.slice(at, close))?.[0].length ?? 0), text: line }
}

function insertFirst(text: string, list: List, element: string): Edit {
  const open = list.getStart() + 1
  const inside = text.slice(open, list.getEnd() - 1)
  if (inside.trim() === '') return { at: open, end: open + inside.length, text: element }
  // It holds only comments. A line comment must keep its line.
  const at = open + inside.trimEnd().length
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const head = lineHead(text, open + inside.length - inside.trimStart().length)
  return { at, text: `${newline}${/^[ \t]*$/.test(head) ? head : ''}${element},` }
}

/** Adds a member at the end of an interface, on its own line. */
export function insertMember(text: string, to: InterfaceDeclaration, member: string, style: Style): Edit {
  const last = to.getMembers().at(-1)
  const close = to.getEnd() - 1
  if (last) {
    const end = last.getText().endsWith(';') ? ';' : ''
    const comment = /^[ \t]*\/\/[^\r\n]*/.exec(text.slice(last.getEnd(), close))?.[0].length ?? 0
    const head = lineHead(text, last.getStart()).replace(/\S.*$/, '')
    return { at: last.getEnd() + comment, text: `${style.newline}${head || style.indent}${member}${end}` }
  }
  const from = to.getText().lastIndexOf('{') + to.getStart() + 1
  return { at: from, end: close, text: `${style.newline}${style.indent}${member}${style.newline}` }
}

/** Adds a statement at the end of a block, before a final `return` and after the comments there. */
export function insertStatement(text: string, block: Block, statement: string, style: Style): Edit {
  const inner = blockIndent(text, block) + style.indent
  const last = block.getStatements().at(-1)
  if (last?.isKind(SyntaxKind.ReturnStatement)) {
    return {
      at: last.getStart(true),
      text: `${statement}${style.newline}${lineHead(text, last.getStart(true))}`,
    }
  }
  const close = block.getEnd() - 1
  const from = last?.getEnd() ?? block.getStart() + 1
  const end = from + text.slice(from, close).trimEnd().length
  const indent = last ? lineHead(text, last.getStart()).replace(/\S.*$/, '') : inner
  const closing = `${style.newline}${blockIndent(text, block)}`
  return { at: end, end: close, text: `${style.newline}${indent || inner}${statement}${closing}` }
}

/** The indentation of the line on which the block opens. */
function blockIndent(text: string, block: Block): string {
  const start = block.getParent().getStart()
  return lineHead(text, start).replace(/\S.*$/, '')
}

/** The text of the line before this position. */
function lineHead(text: string, position: number): string {
  return text.slice(text.lastIndexOf('\n', position - 1) + 1, position)
}
