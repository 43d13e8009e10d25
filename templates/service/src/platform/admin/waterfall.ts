import { isNamed, type Filter } from '../telemetry/filter.ts'
import { duration, escape } from './html.ts'
import type { RequestView, Step } from '../telemetry/recent.ts'

/** The width of the chart in its own units. The browser stretches it to the width of the page. */
const width = 1_000
const barHeight = 6

/** Renders requests, each with its spans as bars. An opened request has a line for each span: when and why it ended. */
export function waterfall(requests: readonly RequestView[], now: number, filter: Filter): string {
  return `<ol>${requests.map((request) => item(request, now, isNamed(filter, request))).join('')}</ol>`
}

function item(request: RequestView, now: number, open: boolean): string {
  const { method, path, status, cause, failure, durationMs, endedAt, number, waitsFor } = request
  const fault = cause ?? failure
  const reason = fault === null ? '' : ` <b>${escape(fault)}</b>`
  const waits = waitsFor === null ? '' : ` <em>waits for the ${waitsFor}</em>`
  const times =
    endedAt === null
      ? `for ${duration(durationMs)}`
      : `after ${duration(durationMs)}, ${duration(now - endedAt)} ago`
  const spans = flat(request.spans, 0)
  const head = `${status ?? '…'} ${escape(method)} ${escape(path)}${reason}${waits} <small>${times}</small>`
  const bars = picture(request, spans)
  const lines = spans.map(({ span, depth }) => spanLine(request, span, depth)).join('')
  return `<li><details id="r${number}"${open ? ' open' : ''}><summary>${head}${bars}</summary>${ids(request)}${ending(request)}<ul>${lines}</ul>${leftOut(request)}</details></li>`
}

function ids({ id, traceId }: RequestView): string {
  const trace = traceId === null ? '' : `, trace <a href="?trace=${traceId}">${traceId}</a>`
  return `<p>request <a href="?q=${encodeURIComponent(id)}">${escape(id)}</a>${trace}</p>`
}

function spanLine(request: RequestView, span: Step, depth: number): string {
  const { name, detail, startMs, endMs, fault, waitsFor, lock } = span
  const goesOn =
    waitsFor === null ? 'goes on' : `waits for the ${lock === null ? waitsFor : `lock ${escape(lock)}`}`
  const end =
    endMs === null
      ? `since ${duration(startMs)}, <em>${goesOn}</em>`
      : `${duration(startMs)} – ${duration(endMs)}`
  const text = `${escape(name)}${fault === null ? '' : ` <b>${escape(fault)}</b>`} <small>${end}</small>`
  const about = detail === null ? '' : ` <small class="detail">${escape(detail)}</small>`
  return `<li class="d${Math.min(depth, 5)}">${text}${about}${picture(request, [{ span }])}</li>`
}

function ending({ cause, canceledMs, durationMs, spans }: RequestView): string {
  const none = spans.length === 0 ? '<p>No spans.</p>' : ''
  if (cause === null || canceledMs === null) return none
  const after = `its work had stopped ${duration(durationMs - canceledMs)} later`
  return `<p>${escape(cause)} ended it at ${duration(canceledMs)}; ${after}.</p>${none}`
}

function leftOut({ spansLeftOut }: RequestView): string {
  return spansLeftOut > 0 ? `<p>and ${spansLeftOut} more spans</p>` : ''
}

/** Draws one bar below the other, and a line through them where the request's context ended. The text says the same. */
function picture({ durationMs, canceledMs }: RequestView, spans: readonly { span: Step }[]): string {
  const x = (ms: number): number =>
    Math.round((Math.min(ms, durationMs) / Math.max(durationMs, 0.01)) * width)
  const bars = spans.map(({ span: { startMs, endMs, fault } }, row) => {
    const from = Math.min(x(startMs), width - 4)
    const kind = fault !== null ? ' class="fault"' : endMs === null ? ' class="open"' : ''
    return `<rect x="${from}" y="${row * barHeight}" width="${Math.max(4, x(endMs ?? durationMs) - from)}" height="${barHeight - 1}"${kind}/>`
  })
  const height = Math.max(1, spans.length) * barHeight
  const end =
    canceledMs === null ? '' : `<rect class="end" x="${x(canceledMs) - 2}" width="4" height="${height}"/>`
  return `<svg viewBox="0 0 ${width} ${height}" height="${Math.min(height, 90)}" preserveAspectRatio="none" aria-hidden="true">${bars.join('')}${end}</svg>`
}

function flat(spans: readonly Step[], depth: number): { span: Step; depth: number }[] {
  return spans.flatMap((span) => [{ span, depth }, ...flat(span.spans, depth + 1)])
}
