import { client } from './client/piece.ts'
import { job } from './job/piece.ts'
import type { Piece } from './piece.ts'
import { resource } from './resource/piece.ts'
import { route } from './route/piece.ts'
import { schedule } from './schedule/piece.ts'
import { storage } from './storage/piece.ts'
import { upload } from './upload/piece.ts'

/** What `npm run add` and `npx plop` offer, in the order of their lists. */
export const pieces: readonly Piece[] = [route, resource, upload, job, schedule, client, storage]
