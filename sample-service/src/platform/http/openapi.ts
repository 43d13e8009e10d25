import { z } from 'zod'
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiSecuritySchemeObject,
} from 'zod-openapi'
import { serviceVersion } from '../telemetry/version.ts'
import { docsRoutes, homeRoute } from './docs.ts'
import { ownResponses, problemResponse } from './problem-responses.ts'
import { documentOf } from './guard.ts'
import { route, type Route, type RouteResponse } from './route.ts'

/** The title and the version of the API. */
export interface ApiInfo {
  readonly title: string
  readonly version: string
}

/**
 * Adds to `routes` what documents them: `/openapi.json`, `/docs`, and `/` unless `routes` has its own. The version is that of
 * package.json.
 */
export function documented(title: string, routes: readonly Route[]): Route[] {
  const version = serviceVersion()
  const all = [...routes, ...documentationRoutes(routes, { title, version })]
  return routes.some(({ path }) => path === '/') ? all : [...all, homeRoute(title, version, all)]
}

/** `GET /openapi.json`, made on first use, and the page at `/docs` that shows it. These routes are not listed. */
export function documentationRoutes(routes: readonly Route[], info: ApiInfo): Route[] {
  let json: string | undefined
  const document = route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'What this API answers, as OpenAPI 3.1',
    tags: ['documentation'],
    quiet: true,
    responses: { 200: { description: 'The document' } },
    handle() {
      json ??= JSON.stringify(openApiDocument(routes, info))
      return new Response(json, {
        headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' },
      })
    },
  })
  return [document, ...docsRoutes()]
}

/**
 * Returns the OpenAPI 3.1 document of `routes`. It includes what the boundary itself answers: 400 for a route with input,
 * 413 and 415 for one with a body, and 500, 503 and 504.
 * @throws Error that names the route whose schema has no JSON Schema
 */
export function openApiDocument(routes: readonly Route[], info: ApiInfo): object {
  const paths: ZodOpenApiPathsObject = {}
  const ids = new Set<string>()
  const securitySchemes: Record<string, ZodOpenApiSecuritySchemeObject> = {}
  for (const route of routes) {
    const path = templateOf(route.path)
    Object.assign(securitySchemes, documentOf(route).schemes)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, uniqueId(route, ids)) }
  }
  const components = Object.keys(securitySchemes).length > 0 ? { components: { securitySchemes } } : {}
  return createDocument({ openapi: '3.1.0', info: { ...info }, paths, ...components })
}

function operation(route: Route, operationId: string): ZodOpenApiOperationObject {
  const requestBody = requestBodyOf(route)
  const path = pathParameters(route)
  const guards = documentOf(route)
  const headers = { ...guards.headers, ...route.headers }
  return {
    operationId,
    summary: route.summary,
    tags: [...route.tags],
    requestParams: {
      ...(path !== undefined && { path }),
      ...(route.query !== undefined && { query: objectSchema(route, 'query', route.query) }),
      ...(Object.keys(headers).length > 0 && { header: headerParameters(headers) }),
    },
    ...(guards.security.length > 0 && { security: guards.security.map(scopesOf) }),
    ...(requestBody !== undefined && { requestBody }),
    responses: Object.fromEntries(
      Object.entries({ ...ownResponses(route), ...guards.responses, ...route.responses }).map(
        ([status, response]) => [status, responseObject(route, Number(status), response)],
      ),
    ),
  }
}

/** Copies a requirement: zod-openapi takes arrays that it may change. */
function scopesOf(requirement: Readonly<Record<string, readonly string[]>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(requirement).map(([scheme, scopes]) => [scheme, [...scopes]]))
}

function responseObject(route: Route, status: number, response: RouteResponse): ZodOpenApiResponseObject {
  const { description, body, contentType } = response
  if (body !== undefined) {
    return { description, content: { [contentType ?? 'application/json']: { schema: body } } }
  }
  if (contentType !== undefined) return { description, content: { [contentType]: {} } }
  if (status < 400) return { description }
  return problemResponse(route, status, description)
}

function requestBodyOf(route: Route): ZodOpenApiOperationObject['requestBody'] {
  if (route.body !== undefined) {
    return { required: true, content: { 'application/json': { schema: route.body } } }
  }
  if (route.files === undefined) return undefined
  const files = {
    type: 'array' as const,
    minItems: 1,
    items: { type: 'string' as const, format: 'binary', contentMediaType: 'application/octet-stream' },
  }
  const schema = { type: 'object' as const, properties: { [route.files]: files }, required: [route.files] }
  return { required: true, content: { 'multipart/form-data': { schema } } }
}

/** Returns the route's schema, or one in which each name is text: OpenAPI requires a path to declare its names. */
function pathParameters(route: Route): z.ZodObject | undefined {
  if (route.params !== undefined) return objectSchema(route, 'params', route.params)
  const names = Array.from(route.path.matchAll(parameter), ([, name]) => name ?? '')
  if (names.length === 0) return undefined
  return z.object(Object.fromEntries(names.map((name) => [name, z.string()])))
}

function headerParameters(headers: Readonly<Record<string, string>>): z.ZodObject {
  const described = Object.entries(headers).map(([name, use]) => [name, z.string().optional().describe(use)])
  return z.object(Object.fromEntries(described))
}

function objectSchema(route: Route, place: string, schema: z.core.$ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema
  throw new Error(
    `${route.method} ${route.path}: its ${place} must be a z.object(…), to be documented by name`,
  )
}

/** `:id`, or `:id{[0-9]+}`. */
const parameter = /:(\w+)(?:\{[^}]*\})?/g

function templateOf(path: string): string {
  return path.replaceAll(parameter, '{$1}')
}

/** `GET /documents/:id/content` is `getDocumentsByIdContent`: it changes only if the route does. */
function uniqueId(route: Route, taken: Set<string>): string {
  const words = templateOf(route.path)
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  const base = [route.method.toLowerCase(), ...words.map(capitalised)].join('')
  let id = base
  for (let n = 2; taken.has(id); n++) id = `${base}${n}`
  taken.add(id)
  return id
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
