/** The routes that the proofs are about: for `probe` of startService. */
export const proofs = 'test/proofs/support/probe.routes.ts'
