import type { LiveContext } from '../../context/context.ts'
import { duration, escape } from './html.ts'

/** The page shows the oldest children, and the first contexts; the JSON has all. */
const maxChildren = 100
const maxShown = 500

/** Renders the tree of contexts as nested lists. For the contexts that it leaves out, it counts how many have each name. */
export function contextsTree(root: LiveContext, now: number): string {
  const budget = { left: maxShown }
  return `<ul>${item(root, now, budget)}</ul>`
}

function item(context: LiveContext, now: number, budget: { left: number }): string {
  budget.left--
  const { name, ageMs, children } = context
  let shown = 0
  let list = ''
  for (; shown < Math.min(children.length, maxChildren) && budget.left > 0; shown++) {
    const child = children[shown]
    if (child !== undefined) list += item(child, now, budget)
  }
  if (shown < children.length) list += rest(children.slice(shown))
  if (list !== '') list = `<ul>${list}</ul>`
  return `<li>${escape(name)} <small>for ${duration(ageMs)}${timeLeft(context, now)}</small>${list}</li>`
}

/** `and 9800 more: 9000 GET /slow, 800 SELECT` */
function rest(contexts: readonly LiveContext[]): string {
  const names = new Map<string, number>()
  for (const { name } of contexts) names.set(name, (names.get(name) ?? 0) + 1)
  const most = Array.from(names).sort(([, a], [, b]) => b - a)
  const told = most.slice(0, 5).map(([name, count]) => `${count} ${escape(name)}`)
  return `<li><small>and ${contexts.length} more: ${told.join(', ')}${most.length > 5 ? ' …' : ''}</small></li>`
}

/** Renders the share of the context's time that is left, as a bar. */
function timeLeft({ ageMs, deadline }: LiveContext, now: number): string {
  if (deadline === null) return ''
  const leftMs = Math.max(0, deadline - now)
  const bar = `<meter min="0" max="${leftMs + ageMs}" value="${leftMs}" aria-label="time left"></meter>`
  return `, ${bar} ${duration(leftMs)} left`
}
