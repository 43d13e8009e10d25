import type { Context } from '../../context/context.ts'
import { openDirectory } from './directory.ts'
import type { Storage, StorageScheme } from './storage.ts'

/** The kinds of storage that STORAGE_URL can name. */
function schemes(): StorageScheme[] {
  return []
}

/**
 * Opens the storage that `url` (STORAGE_URL) names, or the directory `dir` (UPLOAD_DIR) if `url` is undefined.
 * @throws Error of one sentence if the service cannot use it
 */
export async function openChosenStorage(
  ctx: Context,
  { url, dir }: { readonly url: string | undefined; readonly dir: string },
): Promise<Storage> {
  if (url === undefined) return openDirectory(ctx, dir)
  const named = new URL(url)
  const scheme = schemes().find(({ protocol }) => protocol === named.protocol)
  if (scheme === undefined) {
    throw new Error(
      `STORAGE_URL names a storage that this service does not have (${named.protocol}//): add it (npm run add -- storage s3), or leave STORAGE_URL out to use UPLOAD_DIR`,
    )
  }
  return scheme.open(ctx, named)
}
