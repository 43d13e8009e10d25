/** Takes the place of the types that document.ts makes. */
export interface paths {
  '/items': {
    get: { responses: { 200: { content: { 'application/json': { items: string[] } } } } }
  }
}
