import type { Piece } from '../piece.ts'

/** Another place for what is uploaded than a directory: a bucket of S3, which STORAGE_URL names. */
export const storage: Piece = {
  name: 'storage',
  summary: 'a place for uploads other than a directory: s3',
  takes: ['s3'],
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/platform/storages.ts',
      within: 'schemes',
      as: 'item',
      call: 's3Scheme',
      from: './storage-s3.ts',
      takes: [],
    },
  ],
  migration: false,
  dependencies: { '@aws-sdk/client-s3': '^3.1175.0' },
}
