import { ESLintUtils, type TSESLint } from '@typescript-eslint/utils'
import { contextTypes, type ContextTypes } from './context-types.ts'

/** A rule without options, which may ask for types. */
export interface RuleOptions<M extends string> {
  readonly description: string
  readonly messages: Record<M, string>
  readonly type?: 'problem' | 'suggestion'
  create(context: Readonly<TSESLint.RuleContext<M, []>>, types: ContextTypes): TSESLint.RuleListener
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
    create: (context) => options.create(context, contextTypes(ESLintUtils.getParserServices(context))),
  })
}
