import js from '@eslint/js'
import { tsImport } from 'tsx/esm/api'
import tseslint from 'typescript-eslint'

// The rules are TypeScript as the rest is. Node 20 strips no types, so tsx loads them, in an editor as well.
const { plugin: context } = await tsImport('./lint/plugin.ts', import.meta.url)

/** The service, and the pieces of it that `npm run add` stamps. */
const service = ['src/**/*.ts', 'generators/*/src/**/*.ts']
const tests = ['**/*.test.ts', 'test/**/*.ts']

export default tseslint.config(
  { ignores: ['dist/', '.data/', 'node_modules/', 'coverage/'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { context },
    rules: {
      // `${number}` reads as well as String(number), and types already keep objects out.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A cause is handed on as it came: cause(ctx) is an Error, or undefined only before the end.
      '@typescript-eslint/only-throw-error': 'off',
      // `void promise` owns nothing: await it, or give it to a group.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
    },
  },
  {
    files: [...service, 'test/**/*.ts'],
    rules: {
      'context/arrows': 'error',
      'context/context-first': 'error',
      'context/context-twin': 'error',
      'context/no-context-in-state': 'error',
      'context/no-lost-cancel': 'error',
      'context/no-raw-abort': 'error',
      'context/no-unowned-work': 'error',
      'context/pass-context': 'error',
      'context/single-root': 'error',
    },
  },
  {
    // Here the words are defined that the rules speak of: what makes contexts, ends them and keeps their tree.
    files: ['src/context/*.ts'],
    rules: {
      'context/context-twin': 'off',
      'context/no-context-in-state': 'off',
      'context/no-lost-cancel': 'off',
      'context/no-raw-abort': 'off',
      'context/single-root': 'off',
    },
  },
  {
    // A test is bounded by its own timeout, plays the client that hangs up, and lays out what it has set up in an object.
    files: tests,
    rules: {
      'context/context-twin': 'off',
      'context/no-context-in-state': 'off',
      'context/no-raw-abort': 'off',
    },
  },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
)
