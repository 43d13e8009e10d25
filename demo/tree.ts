import type { LiveContext } from '../sample-service/src/context/context.ts'

/** A context that is or was open. Times are epoch milliseconds. */
export interface TreeNode {
  readonly name: string
  readonly bornAt: number
  readonly deadline: number | null
  readonly children: readonly TreeNode[]
  /** Whether the last poll still found it. */
  readonly live: boolean
}

/** Whether a context stays in the tree after its end, by its name and the name of its parent. */
export type Kept = (name: string, parent: string) => boolean

/**
 * Updates `before` with the contexts that are open `now`, since `/debug/contexts` shows only these. Ended contexts that are
 * `kept` stay in the tree as no longer live, and all others leave it.
 * @param now undefined when the service no longer answers
 */
export function merge(
  before: TreeNode | undefined,
  now: LiveContext | undefined,
  kept: Kept,
): TreeNode | undefined {
  if (now === undefined) return before === undefined ? undefined : ended(before, kept)
  // Siblings with the same name are matched in the order of their derivation.
  const left = (before?.children ?? []).filter((node) => node.live)
  const merged = now.children.flatMap((child) => {
    const index = left.findIndex((node) => node.name === child.name)
    const known = index === -1 ? undefined : left.splice(index, 1)[0]
    return { known, node: merge(known, child, kept) ?? [] }
  })
  const carried = (before?.children ?? []).flatMap((node) => {
    const present = merged.find(({ known }) => known === node)
    if (present !== undefined) return present.node
    return kept(node.name, now.name) ? ended(node, kept) : []
  })
  return {
    name: now.name,
    bornAt: before?.bornAt ?? Date.now() - now.ageMs,
    deadline: now.deadline,
    children: [...carried, ...merged.flatMap(({ known, node }) => (known === undefined ? node : []))],
    live: true,
  }
}

function ended(node: TreeNode, kept: Kept): TreeNode {
  const children = node.children.filter((child) => kept(child.name, node.name))
  return { ...node, children: children.map((child) => ended(child, kept)), live: false }
}

/** One line of a drawn tree. */
export interface TreeLine {
  readonly node: TreeNode
  /** The branches that lead to it: `│  └─ `. */
  readonly branches: string
}

/** The lines of a tree, from the top. */
export function linesOf(node: TreeNode, branches = '', below = ''): TreeLine[] {
  return [
    { node, branches },
    ...node.children.flatMap((child, i) => {
      const last = i === node.children.length - 1
      return linesOf(child, below + (last ? '└─ ' : '├─ '), below + (last ? '   ' : '│  '))
    }),
  ]
}
