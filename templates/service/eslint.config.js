import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/** The rooms of src/, from the top: each may import from itself and from those below it. */
const platform = ['**/platform/*']
const context = ['**/context/*']
const domains = ['../*/*.ts', '!../platform/*', '!../context/*']
const composition = ['**/main.ts', '**/routes.ts', '!./**/*.routes.ts', '**/prepare.ts']

/** Forbids imports against the arrows main → routes → domains → platform → context. */
function room(files, forbidden, message) {
  return {
    files,
    ignores: ['**/*.test.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ group: forbidden, message }] }] },
  }
}

export default tseslint.config(
  { ignores: ['dist/', '.data/', 'node_modules/', 'coverage/'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // `${number}` reads as well as String(number), and types already keep objects out.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A cause is handed on as it came: cause(ctx) is an Error, or undefined only before the end.
      '@typescript-eslint/only-throw-error': 'off',
    },
  },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
  room(['src/context/**'], ['../*'], 'src/context imports nothing of the service'),
  room(
    ['src/platform/**'],
    [...domains, ...composition, '**/config.ts'],
    'src/platform imports only platform and context',
  ),
  room(
    ['src/*/**'],
    ['**/main.ts', '../routes.ts', '../prepare.ts'],
    'a domain imports from platform and context; src/routes.ts imports the domain',
  ),
  {
    files: ['src/**'],
    ignores: ['src/main.ts', 'src/context/**', '**/*.test.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.name='background']",
          message: 'src/main.ts has the one root: take a ctx parameter instead',
        },
        {
          selector: "CallExpression[callee.name='todo']",
          message: 'todo() marks a migration under way: take a ctx parameter instead',
        },
      ],
    },
  },
)
