import type { LiveContext } from '../../src/context/context.ts'

/** A context that is or was alive. Times are epoch milliseconds. */
export interface TreeNode {
  readonly name: string
  readonly bornAt: number
  readonly deadline: number | null
  readonly children: readonly TreeNode[]
  /** Whether the last look still found it. */
  readonly live: boolean
}

/**
 * Carries `before` on to what is alive `now`. `/debug/contexts` shows only what has not ended; contexts that are `kept`
 * stay in the tree as no longer live, and all others leave it.
 * @param now undefined when nothing is left to ask
 */
export function merge(
  before: TreeNode | undefined,
  now: LiveContext | undefined,
  kept: (node: TreeNode) => boolean,
): TreeNode | undefined {
  if (now === undefined) return before === undefined ? undefined : ended(before, kept)
  // Siblings of one name are told apart by their order, in which they were derived.
  const left = [...(before?.children ?? [])]
  const take = (name: string): TreeNode | undefined => {
    const index = left.findIndex((node) => node.name === name && node.live)
    return index === -1 ? undefined : left.splice(index, 1)[0]
  }
  const present = new Map<TreeNode, TreeNode>()
  const added: TreeNode[] = []
  for (const child of now.children) {
    const known = take(child.name)
    const merged = merge(known, child, kept)
    if (merged === undefined) continue
    if (known === undefined) added.push(merged)
    else present.set(known, merged)
  }
  const old = (before?.children ?? []).flatMap((node) => present.get(node) ?? ended(node, kept) ?? [])
  return {
    name: now.name,
    bornAt: before?.bornAt ?? Date.now() - now.ageMs,
    deadline: now.deadline,
    children: [...old, ...added],
    live: true,
  }
}

function ended(node: TreeNode, kept: (node: TreeNode) => boolean): TreeNode | undefined {
  const children = node.children.flatMap((child) => ended(child, kept) ?? [])
  const gone = { ...node, children, live: false }
  return kept(gone) ? gone : undefined
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
