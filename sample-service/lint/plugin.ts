import { contextFirst } from './rules/context-first.ts'
import { contextTwin } from './rules/context-twin.ts'
import { noContextInState } from './rules/no-context-in-state.ts'
import { noLostCancel } from './rules/no-lost-cancel.ts'
import { noSwallowedEnd } from './rules/no-swallowed-end.ts'
import { noUnownedWork } from './rules/no-unowned-work.ts'
import { passContext } from './rules/pass-context.ts'
import { stayInTransaction } from './rules/stay-in-transaction.ts'

export { ends } from './ends.ts'
export { imports } from './imports.ts'

/** The rules for contexts, as an ESLint plugin. eslint.config.js says where each applies. */
export const plugin = {
  meta: { name: 'context' },
  rules: {
    'context-first': contextFirst,
    'context-twin': contextTwin,
    'no-context-in-state': noContextInState,
    'no-lost-cancel': noLostCancel,
    'no-swallowed-end': noSwallowedEnd,
    'no-unowned-work': noUnownedWork,
    'pass-context': passContext,
    'stay-in-transaction': stayInTransaction,
  },
}
