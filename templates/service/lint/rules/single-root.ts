import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { isTest, pathInSource, programs } from '../nodes.ts'
import { rule } from '../rule.ts'

const module = /(?:^|\/)(?:context|test-context)\.ts$/

/** A process has one root, and src/main.ts makes it; in the program that migrates, src/migrate.ts. Go: contextcheck. */
export const singleRoot = rule({
  description: 'background() once and in src/main.ts; todo() nowhere; testContext() in tests',
  messages: {
    elsewhere:
      'src/main.ts has the one root of the process. Take `ctx: Context` as the first parameter instead.',
    twice: 'This is the second root. Derive from the first one instead: withCancel(root).',
    test: 'A test takes a context that ends with it. Write testContext(t) instead.',
    todo: 'todo() marks a migration under way. Take `ctx: Context` as the first parameter instead.',
    testContext: 'testContext(t) is for tests. Take `ctx: Context` as the first parameter instead.',
  },
  create(context) {
    const { filename, sourceCode } = context
    const inMain = programs.has(pathInSource(filename) ?? '')
    let roots = 0

    function check(name: string, node: TSESTree.Node): void {
      if (name === 'todo') context.report({ node, messageId: isTest(filename) ? 'test' : 'todo' })
      if (name === 'testContext' && !isTest(filename)) context.report({ node, messageId: 'testContext' })
      if (name !== 'background') return
      if (isTest(filename)) context.report({ node, messageId: 'test' })
      else if (!inMain) context.report({ node, messageId: 'elsewhere' })
      else if (roots++ > 0) context.report({ node, messageId: 'twice' })
    }

    return {
      ImportDeclaration(node) {
        if (!module.test(node.source.value)) return
        for (const variable of sourceCode.getDeclaredVariables(node)) {
          const [def] = variable.defs
          for (const { identifier } of variable.references) {
            if (def?.node.type === Type.ImportSpecifier && def.node.imported.type === Type.Identifier) {
              check(def.node.imported.name, identifier)
            } else if (
              def?.node.type === Type.ImportNamespaceSpecifier &&
              identifier.parent.type === Type.MemberExpression &&
              identifier.parent.property.type === Type.Identifier
            ) {
              check(identifier.parent.property.name, identifier.parent)
            }
          }
        }
      },
    }
  },
})
