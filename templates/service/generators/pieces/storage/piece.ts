import type { Piece } from '../../engine/piece.ts'

/** Storage of uploads in a bucket of S3, which STORAGE_URL names, instead of a directory. */
export const storage: Piece = {
  name: 'storage',
  summary: 'storage of uploads in S3 instead of a directory',
  examples: ['s3'],
  takes: ['s3'],
  folder: import.meta.dirname,
  wirings: [
    {
      file: 'src/platform/storage/schemes.ts',
      within: 'schemes',
      as: 'item',
      call: 's3Scheme',
      from: './s3.ts',
      takes: [],
    },
  ],
  dependencies: { '@aws-sdk/client-s3': '^3.1175.0' },
}
