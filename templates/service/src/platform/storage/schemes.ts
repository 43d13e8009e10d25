import type { Context } from '../../context/context.ts'
import { openStorage, type Storage, type StorageScheme } from './storage.ts'

/** What STORAGE_URL can name. */
function schemes(): StorageScheme[] {
  return []
}

/**
 * Opens the storage that `url` (STORAGE_URL) names; without one, the directory `dir` (UPLOAD_DIR).
 * @throws Error of one sentence if it cannot be used
 */
export async function openChosenStorage(
  ctx: Context,
  { url, dir }: { readonly url: string | undefined; readonly dir: string },
): Promise<Storage> {
  if (url === undefined) return openStorage(ctx, dir)
  const named = new URL(url)
  const scheme = schemes().find(({ protocol }) => protocol === named.protocol)
  if (scheme === undefined) {
    throw new Error(
      `STORAGE_URL names a storage that this service does not have (${named.protocol}//): add it (npm run add -- storage s3), or leave STORAGE_URL out to use UPLOAD_DIR`,
    )
  }
  return scheme.open(ctx, named)
}
