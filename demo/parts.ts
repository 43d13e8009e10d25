/** The parts of the demo's report. Each is a statement in its own worker. */
export const parts = ['orders', 'invoices', 'customers', 'stock'] as const
