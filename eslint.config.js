import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

// What oxlint lacks, or does not find in each case: .oxlintrc.json has the rest.
export default defineConfig(
  // The workspaces bring their own rules, which their own `lint` runs.
  { ignores: ['dist/', 'templates/', 'sample-service/', '**/.data/', '**/*.js', '**/*.mjs'] },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      'no-useless-assignment': 'error',
      '@typescript-eslint/no-meaningless-void-operator': 'error',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'error',
      '@typescript-eslint/no-unsafe-enum-assignment': 'error',
    },
  },
)
