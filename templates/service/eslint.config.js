import { defineConfig } from 'eslint/config'
import { tsImport } from 'tsx/esm/api'
import ts from 'typescript'
import tseslint from 'typescript-eslint'

// The rules are TypeScript, like the rest. Node 20 does not strip types, so tsx loads them, in an editor too.
const { plugin: context, imports, ends } = await tsImport('./lint/plugin.ts', import.meta.url)
const { config } = ts.readConfigFile(`${import.meta.dirname}/tsconfig.json`, (path) => ts.sys.readFile(path))

/**
 * The service, and the pieces that `npm run add` stamps, but not scripts/ and generators/, which are separate programs that end
 * with the terminal.
 */
const service = ['src/**/*.ts', 'generators/pieces/*/src/**/*.ts']

/** The files in which rules use types. */
const typed = [...service, 'test/**/*.ts']

// The rules for contexts, and rules that oxlint lacks or calls unfinished; .oxlintrc.json has the rest.
export default defineConfig(
  { ignores: ['dist/', '.data/', 'coverage/', ...config.exclude] },
  // Without types, and without rules: the rules for contexts are for TypeScript.
  { ignores: ['**/*.js', '**/*.mjs'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { context, '@typescript-eslint': tseslint.plugin },
    rules: { 'no-useless-assignment': 'error' },
  },
  {
    // Programs that end with the terminal, and further files of pieces. Types for them would take as long as for src/.
    files: ['**/*.ts'],
    ignores: typed,
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ArrowFunctionExpression > UnaryExpression.body[operator="void"]',
          message: 'oxlint does not see a promise behind this `void`. Write `() => { … }`.',
        },
        {
          selector: 'UnaryExpression[operator="void"] > AwaitExpression',
          message: 'Write `await` alone: it leaves nothing to be void.',
        },
      ],
    },
  },
  {
    files: typed,
    languageOptions: {
      // projectService is made for editors, and takes twice as long here.
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // `void promise` does not wait: await it, or give it to a group.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      '@typescript-eslint/no-meaningless-void-operator': 'error',
    },
  },
  {
    files: typed,
    rules: {
      'context/context-first': 'error',
      'context/context-twin': 'error',
      'context/no-context-in-state': 'error',
      'context/no-lost-cancel': 'error',
      'context/no-swallowed-end': 'error',
      'context/no-unowned-work': 'error',
      'context/pass-context': 'error',
      'context/stay-in-transaction': 'error',
      ...ends,
    },
  },
  ...imports,
  {
    // This folder implements contexts: it makes them, ends them, and keeps their tree.
    files: ['src/context/*.ts'],
    rules: {
      'context/context-twin': 'off',
      'context/no-context-in-state': 'off',
      'context/no-lost-cancel': 'off',
      'context/no-swallowed-end': 'off',
      'no-restricted-globals': 'off',
      'no-restricted-syntax': 'off',
    },
  },
  {
    // A test has every role: the client that hangs up, the caller, the work and the observer. It leaves work unawaited to observe
    // it, and its contexts end with its testContext.
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      'context/context-twin': 'off',
      'context/no-context-in-state': 'off',
      'context/no-lost-cancel': 'off',
      'context/no-swallowed-end': 'off',
      'context/no-unowned-work': 'off',
      'context/pass-context': 'off',
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-syntax': 'off',
    },
  },
  {
    // The tests of contexts give contexts names of their own.
    files: ['**/context/*.test.ts'],
    rules: { 'context/context-first': 'off' },
  },
)
