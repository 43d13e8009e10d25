// One file, so that the compiler and its libraries are loaded once. A case that fails names its rule.
import './context-first.cases.ts'
import './context-twin.cases.ts'
import './no-context-in-state.cases.ts'
import './no-lost-cancel.cases.ts'
import './no-unowned-work.cases.ts'
import './pass-context.cases.ts'
import './no-swallowed-end.cases.ts'
import './stay-in-transaction.cases.ts'
