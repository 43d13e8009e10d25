import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { ancestors, isInside, memberName, nodesIn } from './nodes.ts'

/** What is wrong with waiting for a group, and where. */
export interface Unwaited {
  readonly node: TSESTree.Node
  /** `wait`: a path waits for nothing. `late`: the group gets work after it was waited for. */
  readonly messageId: 'wait' | 'late'
}

/** Checks that each path out of the block waits for the group once it has work. A path by an exception need not. */
export function unwaited(
  source: Readonly<TSESLint.SourceCode>,
  declarator: TSESTree.VariableDeclarator,
): Unwaited | undefined {
  const [group] = source.getDeclaredVariables(declarator)
  const block = declarator.parent.parent
  if (group === undefined || block.type !== Type.BlockStatement) return undefined
  const uses = group.references.filter(({ init }) => init !== true).map(({ identifier }) => identifier)
  // Another function that gets the group may wait for it.
  if (uses.some(({ parent }) => parent.type !== Type.MemberExpression)) return undefined
  const started = uses.filter((use) => memberName(use.parent) === 'go')
  const [first, last] = [started.at(0), started.at(-1)]
  if (first === undefined || last === undefined) return undefined

  const waits = uses.filter((use) => memberName(use.parent) === 'wait' && use.range[0] > first.range[0])
  const [waited] = waits.filter((use) => isOnEveryWay(use, block, started))
  if (waited === undefined) return { node: declarator, messageId: 'wait' }
  const left = nodesIn(source, block).find(
    ({ type, range }) =>
      type === Type.ReturnStatement &&
      range[0] > first.range[1] &&
      waits.every((use) => range[1] < use.range[0]),
  )
  if (left !== undefined) return { node: left, messageId: 'wait' }
  const over = waits.every((use) => use.range[1] < last.range[0] && !shareLoop(use, last, block))
  return over ? { node: last, messageId: 'late' } : undefined
}

/** Whether every path through the block that starts the work also reaches `use`. */
function isOnEveryWay(use: TSESTree.Node, block: TSESTree.Node, started: readonly TSESTree.Node[]): boolean {
  let inner = use
  for (const at of ancestors(use)) {
    if (at === block) return true
    if (isBranch(at, inner) && !started.every((go) => isInside(go, inner))) return false
    inner = at
  }
  return true
}

function isBranch(at: TSESTree.Node, inner: TSESTree.Node): boolean {
  // With an `else`, both branches may wait; this function does not check that.
  if (at.type === Type.IfStatement) return at.test !== inner && at.alternate === null
  return at.type === Type.LogicalExpression && at.right === inner
}

function shareLoop(one: TSESTree.Node, other: TSESTree.Node, block: TSESTree.Node): boolean {
  for (const at of ancestors(one)) {
    if (at === block) return false
    if (/^(?:For|While|DoWhile)/.test(at.type) && isInside(other, at)) return true
  }
  return false
}
