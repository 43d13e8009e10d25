import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import type { ZodOpenApiResponseObject } from 'zod-openapi'
import { contentTooLarge, Problem, problemBody } from '../problem.ts'
import { parseInput } from './input.ts'
import type { Route, RouteResponse } from './route.ts'

/** The body of every failure: RFC 9457. */
const ProblemBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('Each invalid field: its place, and why it was refused'),
    requestId: z.string().describe('The id to search the log of the service for'),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' })

/** What the boundary may answer itself. */
export function ownResponses(route: Route): Record<number, RouteResponse> {
  const hasBody = route.body !== undefined || route.files !== undefined
  const hasInput = hasBody || route.params !== undefined || route.query !== undefined
  return {
    ...(hasInput && { 400: { description: 'The request is invalid: `errors` names each field' } }),
    ...(hasBody && {
      413: { description: 'The body is larger than the service takes' },
      415: { description: 'The body is of another type than the service takes' },
    }),
    500: { description: 'The service failed' },
    503: { description: 'The service is shutting down, or something it needs does not answer' },
    504: { description: 'The request was not finished before its deadline' },
  }
}

/** A failure of `route` in `/openapi.json`, with the body that a client gets as its example. */
export function problemResponse(route: Route, status: number, description: string): ZodOpenApiResponseObject {
  const problem = (status === 400 ? refusalOf(route) : undefined) ?? problemFrom(status, description)
  const ids = { requestId: '01890a5d-ac96-774b-bcce-b302099a8057' }
  const example: unknown = JSON.parse(problemBody(problem, ids))
  return { description, content: { 'application/problem+json': { schema: ProblemBody, example } } }
}

function problemFrom(status: number, description: string): Problem {
  const detail = description.charAt(0).toLowerCase() + description.slice(1)
  // Node still uses the title that RFC 9110 replaced.
  const title = status === 413 ? contentTooLarge('').title : (STATUS_CODES[status] ?? 'Error')
  return new Problem(status, title, detail)
}

/** What `route` answers if everything in the input is wrong; undefined if it refuses no input. */
function refusalOf(route: Route): Problem | undefined {
  try {
    parseInput(route, { params: wrong(route.params), query: wrong(route.query), body: {} })
  } catch (error) {
    // A schema may throw what it likes.
    if (error instanceof Problem) return error
  }
  return undefined
}

function wrong(schema: z.core.$ZodType | undefined): Record<string, string> {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  return Object.fromEntries(names.map((name) => [name, '?']))
}
