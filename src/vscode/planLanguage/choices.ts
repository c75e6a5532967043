import * as l10n from '@vscode/l10n';
import { literalPattern } from '../../model/literalPattern';
import type { DocumentCheck } from '../../protocol/documentCheck';
import { ggmlFormats } from '../../protocol/ggmlTypes';
import { plural } from '../../protocol/words';
import type { CompletionKind } from './completionPlace';

/** A value that can be written at a place. */
export interface Choice {
  readonly label: string;
  readonly detail?: string;
  /** What is written: JSON. */
  readonly json: string;
}

/** Grids by their names, as examples of what can be composed. */
const grids = ['int4-g128', 'int4-g128-zp', 'int8-g128', 'int8', 'e4m3', 'nf4', 'mxfp4', 'nvfp4'] as const;

type Known = Pick<DocumentCheck, 'names' | 'formats' | 'model'>;

const choices: Readonly<Record<CompletionKind, (known: Known) => readonly Choice[]>> = {
  tensor: ({ names, model }) => names.map((name) => choice(name, model?.name)),
  module: ({ names, model }) =>
    names
      .filter((name) => name.endsWith('.weight'))
      .map((name) => choice(name.slice(0, -'.weight'.length), model?.name)),
  pattern: ({ names }) => patternsOf(names),
  format: ({ formats }) => formats.map((format) => choice(format, descriptions.get(format))),
  ggml: () => ggmlFormats.map(({ name }) => choice(name, descriptions.get(name))),
  grid: () => [
    choice('keep', l10n.t('as the model has it')),
    ...grids.map((name) => choice(name, l10n.t('grid'))),
    ...ggmlFormats.map(({ name }) => ({
      ...{ label: name, json: JSON.stringify({ ggml: name }) },
      detail: l10n.t('type of GGUF files'),
    })),
  ],
};

/** All values of a kind that are known, the likeliest first. */
export const choicesFor = (kind: CompletionKind, known: Known): readonly Choice[] => choices[kind](known);

const choice = (value: string, detail?: string): Choice => ({
  ...{ label: value, json: JSON.stringify(value) },
  ...(detail === undefined ? {} : { detail }),
});

const descriptions = new Map<string, string>(
  ggmlFormats.map(({ name, block, bytes, encoding }) => [
    name,
    l10n.t('{0} bits per weight', ((8 * bytes) / block).toFixed(2)) + `. ${encoding.description}`,
  ]),
);

/** Regular expressions of the same tensor in all blocks, then of each tensor. */
function patternsOf(names: readonly string[]): readonly Choice[] {
  const general = new Map<string, number>();
  for (const name of names) {
    const pattern = `^${literalPattern(name).replace(/\d+(?=\\\.)/g, '\\d+')}$`;
    general.set(pattern, (general.get(pattern) ?? 0) + 1);
  }
  const several = [...general].filter(([, count]) => count > 1);
  return [
    ...several.map(([pattern, count]) => choice(pattern, plural(count, 'tensor'))),
    ...names.map((name) => choice(`^${literalPattern(name)}$`, plural(1, 'tensor'))),
  ];
}
