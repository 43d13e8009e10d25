/** The path of the proofs' routes, for `probe` of startService. */
export const proofs = 'test/proofs/support/probe.routes.ts'
