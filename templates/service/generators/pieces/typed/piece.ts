import type { Piece } from '../../engine/piece.ts'
import { circuit } from '../circuit/piece.ts'

/**
 * Calls whose types come from the OpenAPI document of the other service. `npm run add` adds it with the first `client --openapi`.
 */
export const typed: Piece = {
  name: 'typed',
  summary: 'calls with the types of an OpenAPI document',
  takes: 'name',
  folder: import.meta.dirname,
  needs: circuit,
}
