// One file, so that the compiler and its libraries are loaded once. A case that fails names its rule.
import './rules/context-first.cases.ts'
import './rules/context-twin.cases.ts'
import './rules/no-context-in-state.cases.ts'
import './rules/no-lost-cancel.cases.ts'
import './rules/no-unowned-work.cases.ts'
import './rules/pass-context.cases.ts'
import './rules/no-swallowed-end.cases.ts'
import './rules/stay-in-transaction.cases.ts'
