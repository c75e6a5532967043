import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const exports = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name.' },
  { selector: 'ExportAllDeclaration', message: 'No barrel files.' },
];

/** Every argument takes space on the stack; models have up to a million tensors. */
const spreads = [
  {
    selector: "CallExpression[callee.object.name='Math'] > SpreadElement",
    message: 'Many arguments exhaust the stack: use leastOf or greatestOf.',
  },
  {
    selector: 'CallExpression[callee.property.name=/^(push|unshift)$/] > SpreadElement',
    message: 'Many arguments exhaust the stack: push in a loop, or spread into a new array.',
  },
];

/** Modal dialogs show their message as it is. */
const notices = [
  {
    selector:
      "CallExpression[callee.property.name=/^show(Information|Warning|Error)Message$/]:not([arguments.0.callee.name='noticeText']):not([arguments.1.type='ObjectExpression'])",
    message: 'A notification makes links of its message: pass it through noticeText.',
  },
];

export default defineConfig(
  { ignores: ['dist', 'build', 'test-results', '**/*.mjs', '**/*.d.mts', '**/*.cjs'] },
  tseslint.configs.recommendedTypeChecked,
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      'no-restricted-syntax': ['error', ...exports],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**', 'webview/**'],
    rules: { 'no-restricted-syntax': ['error', ...exports, ...spreads, ...notices] },
  },
  {
    files: ['**/*.config.ts', '**/*.d.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
