import { arrows } from './rules/arrows.ts'
import { contextFirst } from './rules/context-first.ts'
import { contextTwin } from './rules/context-twin.ts'
import { noContextInState } from './rules/no-context-in-state.ts'
import { noLostCancel } from './rules/no-lost-cancel.ts'
import { noRawAbort } from './rules/no-raw-abort.ts'
import { noUnownedWork } from './rules/no-unowned-work.ts'
import { passContext } from './rules/pass-context.ts'
import { singleRoot } from './rules/single-root.ts'

/** The rules that keep the context, as an ESLint plugin: eslint.config.js says where each holds. */
export const plugin = {
  meta: { name: 'context' },
  rules: {
    arrows,
    'context-first': contextFirst,
    'context-twin': contextTwin,
    'no-context-in-state': noContextInState,
    'no-lost-cancel': noLostCancel,
    'no-raw-abort': noRawAbort,
    'no-unowned-work': noUnownedWork,
    'pass-context': passContext,
    'single-root': singleRoot,
  },
}
