/** A placeholder for the types that openapi-source.ts makes. */
export interface paths {
  '/items': {
    get: { responses: { 200: { content: { 'application/json': { items: string[] } } } } }
  }
}
