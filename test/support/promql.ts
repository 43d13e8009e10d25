import { parser } from '@prometheus-io/lezer-promql'

type SyntaxNode = ReturnType<typeof parser.parse>['topNode']

/** A label of a metric that an expression uses. */
interface Matcher {
  readonly label: string
  readonly operator: string
  readonly value: string
}

/** A metric as /metrics shows it. */
interface Metric {
  readonly type: string
  readonly series: readonly Readonly<Record<string, string>>[]
}

/** The metrics of /metrics, by the names that expressions use. */
export type Exposition = ReadonlyMap<string, Metric>

/** The labels and metrics that Prometheus itself adds. */
const targetLabels = ['job', 'instance']
const ofPrometheus: Readonly<Record<string, Metric>> = { up: { type: 'gauge', series: [{}] } }
/** Functions for the growth of a counter, whose result is meaningless for other metrics. */
const ofCounters = ['rate', 'increase', 'irate']

const strict = parser.configure({ strict: true })

/** Reads Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export function readExposition(text: string): Exposition {
  const types = new Map<string, string>()
  const found = new Map<string, { type: string; series: Record<string, string>[] }>()
  for (const line of text.split('\n')) {
    const [, named = '', type = ''] = /^# TYPE (\S+) (\S+)/.exec(line) ?? []
    if (named !== '') types.set(named, type)
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? \S+/.exec(line) ?? []
    if (name === undefined) continue
    const declared = types.get(name) ?? types.get(familyOf(name)) ?? 'untyped'
    const metric = found.get(name) ?? { type: declared, series: [] }
    const pairs = Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, key = '', value = '']) => [
      key,
      value,
    ])
    metric.series.push(Object.fromEntries(pairs) as Record<string, string>)
    found.set(name, metric)
  }
  return found
}

/** The declared metric: /metrics shows a histogram as three. */
export function familyOf(name: string): string {
  return name.replace(/_(bucket|count|sum)$/, '')
}

/**
 * Everything in a PromQL expression that /metrics cannot answer: a missing metric, label or value of a label, or the rate of a
 * metric that is not a counter. Prometheus' own grammar checks the syntax.
 */
export function promqlErrors(expression: string, shown: Exposition): string[] {
  // Grafana replaces these before it sends the expression.
  const text = expression.replaceAll('$__rate_interval', '5m')
  const errors: string[] = []
  try {
    strict.parse(text)
  } catch (error) {
    return [`${String(error)}: ${text}`]
  }
  const of = (node: SyntaxNode): string => text.slice(node.from, node.to)
  const labelsBelow = (node: SyntaxNode): Set<string> =>
    new Set(
      all(node, 'VectorSelector').flatMap((selector) => [
        ...targetLabels,
        ...labelsOf(metricNamed(of(selector.firstChild ?? selector), shown)),
      ]),
    )
  const top = strict.parse(text).topNode
  for (const selector of all(top, 'VectorSelector')) {
    const name = of(selector.firstChild ?? selector)
    const metric = metricNamed(name, shown)
    if (metric === undefined) {
      errors.push(`there is no metric ${name}`)
      continue
    }
    const matchers = all(selector, 'UnquotedLabelMatcher').map((matcher) => matcherOf(of(matcher)))
    const asked = matchers.filter(({ label }) => !targetLabels.includes(label))
    const unknown = asked.filter(({ label }) => !labelsOf(metric).has(label))
    for (const { label } of unknown) errors.push(`${name} has no label ${label}`)
    if (
      unknown.length === 0 &&
      !metric.series.some((labels) => asked.every((matcher) => matches(labels, matcher)))
    )
      errors.push(`nothing is ${of(selector)}`)
    const fn = callAround(selector)
    if (fn !== undefined && ofCounters.includes(of(fn)) && !isCounter(name, metric))
      errors.push(`${of(fn)} of ${name}, which is a ${metric.type}`)
  }
  for (const grouping of all(top, 'GroupingLabels')) {
    const operation = ancestor(grouping, ['AggregateExpr', 'BinaryExpr']) ?? top
    for (const label of all(grouping, 'LabelName').map(of)) {
      if (!labelsBelow(operation).has(label)) errors.push(`nothing in ${of(operation)} has a label ${label}`)
    }
  }
  return errors
}

/** The labels of an expression's results, by its outermost aggregation. */
export function labelsOfResult(expression: string): string[] {
  const text = expression.replaceAll('$__rate_interval', '5m')
  const [outermost] = all(strict.parse(text).topNode, 'AggregateExpr')
  if (outermost === undefined) return targetLabels
  const [grouping] = all(outermost, 'GroupingLabels')
  const own = grouping !== undefined && ancestor(grouping, ['AggregateExpr'])?.from === outermost.from
  return own ? all(grouping, 'LabelName').map(({ from, to }) => text.slice(from, to)) : []
}

function metricNamed(name: string, shown: Exposition): Metric | undefined {
  return shown.get(name) ?? ofPrometheus[name]
}

function labelsOf(metric: Metric | undefined): Set<string> {
  return new Set(metric?.series.flatMap((labels) => Object.keys(labels)))
}

function isCounter(name: string, { type }: Metric): boolean {
  return type === 'counter' || (type === 'histogram' && familyOf(name) !== name)
}

function matcherOf(text: string): Matcher {
  const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(text) ?? []
  return { label, operator, value }
}

/** As Prometheus does: a label that is absent is empty, and an expression is anchored at both ends. */
function matches(labels: Readonly<Record<string, string>>, { label, operator, value }: Matcher): boolean {
  const has = labels[label] ?? ''
  const same = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(has) : has === value
  return operator.startsWith('!') ? !same : same
}

function all(node: SyntaxNode, name: string): SyntaxNode[] {
  const found: SyntaxNode[] = []
  node.cursor().iterate((at) => {
    if (at.from >= node.from && at.to <= node.to && at.name === name) found.push(at.node)
  })
  return found
}

function ancestor(node: SyntaxNode, names: readonly string[]): SyntaxNode | undefined {
  for (let at = node.parent; at !== null; at = at.parent) if (names.includes(at.name)) return at
  return undefined
}

/** The name of the function that takes the range selector. */
function callAround(selector: SyntaxNode): SyntaxNode | undefined {
  return ancestor(selector, ['MatrixSelector'])?.parent?.parent?.getChild('FunctionIdentifier') ?? undefined
}
