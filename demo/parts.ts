/** What the demo's report is made of: a statement each, in a worker of its own. */
export const parts = ['orders', 'invoices', 'customers', 'stock'] as const
