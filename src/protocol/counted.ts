import * as l10n from '@vscode/l10n';

/**
 * Nouns with their counts, each as whole phrases for translators: of one, and of any other number. Other languages have fewer or more words
 * between a number and its noun, so that these cannot be put together from parts.
 */
export const counted: Readonly<Record<string, (count: string) => readonly [one: string, several: string]>> = {
  'changed tensor': (n) => [l10n.t('{0} changed tensor', n), l10n.t('{0} changed tensors', n)],
  'further tensor': (n) => [l10n.t('{0} further tensor', n), l10n.t('{0} further tensors', n)],
  'selected tensor': (n) => [l10n.t('{0} selected tensor', n), l10n.t('{0} selected tensors', n)],
  'super-block': (n) => [l10n.t('{0} super-block', n), l10n.t('{0} super-blocks', n)],
  block: (n) => [l10n.t('{0} block', n), l10n.t('{0} blocks', n)],
  cell: (n) => [l10n.t('{0} cell', n), l10n.t('{0} cells', n)],
  column: (n) => [l10n.t('{0} column', n), l10n.t('{0} columns', n)],
  direction: (n) => [l10n.t('{0} direction', n), l10n.t('{0} directions', n)],
  document: (n) => [l10n.t('{0} document', n), l10n.t('{0} documents', n)],
  expert: (n) => [l10n.t('{0} expert', n), l10n.t('{0} experts', n)],
  fault: (n) => [l10n.t('{0} fault', n), l10n.t('{0} faults', n)],
  file: (n) => [l10n.t('{0} file', n), l10n.t('{0} files', n)],
  group: (n) => [l10n.t('{0} group', n), l10n.t('{0} groups', n)],
  level: (n) => [l10n.t('{0} level', n), l10n.t('{0} levels', n)],
  other: (n) => [l10n.t('{0} other', n), l10n.t('{0} others', n)],
  output: (n) => [l10n.t('{0} output', n), l10n.t('{0} outputs', n)],
  pair: (n) => [l10n.t('{0} pair', n), l10n.t('{0} pairs', n)],
  parameter: (n) => [l10n.t('{0} parameter', n), l10n.t('{0} parameters', n)],
  recipe: (n) => [l10n.t('{0} recipe', n), l10n.t('{0} recipes', n)],
  row: (n) => [l10n.t('{0} row', n), l10n.t('{0} rows', n)],
  sequence: (n) => [l10n.t('{0} sequence', n), l10n.t('{0} sequences', n)],
  step: (n) => [l10n.t('{0} step', n), l10n.t('{0} steps', n)],
  swap: (n) => [l10n.t('{0} swap', n), l10n.t('{0} swaps', n)],
  Tensor: (n) => [l10n.t('{0} Tensor', n), l10n.t('{0} Tensors', n)],
  tensor: (n) => [l10n.t('{0} tensor', n), l10n.t('{0} tensors', n)],
  text: (n) => [l10n.t('{0} text', n), l10n.t('{0} texts', n)],
  token: (n) => [l10n.t('{0} token', n), l10n.t('{0} tokens', n)],
  value: (n) => [l10n.t('{0} value', n), l10n.t('{0} values', n)],
  weight: (n) => [l10n.t('{0} weight', n), l10n.t('{0} weights', n)],
  window: (n) => [l10n.t('{0} window', n), l10n.t('{0} windows', n)],
  'class or function': (n) => [l10n.t('{0} class or function', n), l10n.t('{0} classes or functions', n)],
  matrix: (n) => [l10n.t('{0} matrix', n), l10n.t('{0} matrices', n)],
};
