import { ESLintUtils, type TSESLint } from '@typescript-eslint/utils'
import { contextTypes, type ContextTypes } from './context-types.ts'
import { contextVariables, type ContextVariables } from './variables.ts'

/** The questions of the rules about one file. */
export interface Look {
  readonly source: Readonly<TSESLint.SourceCode>
  readonly types: ContextTypes
  readonly contexts: ContextVariables
}

/** What a rule gets for one file: the questions, and the ESLint context through which it reports its messages. */
export interface RuleLook<M extends string> extends Look {
  readonly context: Readonly<TSESLint.RuleContext<M, []>>
}

/** A rule without options, which may use types. */
export interface RuleOptions<M extends string> {
  readonly description: string
  readonly messages: Record<M, string>
  readonly type?: 'problem' | 'suggestion'
  create(look: RuleLook<M>): TSESLint.RuleListener
}

/** Makes an ESLint rule. It needs typescript-eslint's parser with types, and throws without them. */
export function rule<M extends string>(options: RuleOptions<M>): TSESLint.RuleModule<M> {
  return ESLintUtils.RuleCreator.withoutDocs<[], M>({
    meta: {
      type: options.type ?? 'problem',
      docs: { description: options.description },
      messages: options.messages,
      hasSuggestions: true,
      schema: [],
    },
    create(context) {
      const source = context.sourceCode
      const types = contextTypes(ESLintUtils.getParserServices(context))
      return options.create({ context, source, types, contexts: contextVariables(source, types) })
    },
  })
}
