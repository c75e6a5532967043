import * as l10n from '@vscode/l10n';
import { literalPattern } from '../../model/literalPattern';
import type { DocumentCheck } from '../../protocol/documentCheck';
import type { FileTypeDescription } from '../../protocol/export';
import { ggmlFormats } from '../../protocol/ggmlTypes';
import type { RecipeChoices } from '../../protocol/quantizeModel';
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

/** What choices are made of. */
export interface Known extends Pick<DocumentCheck, 'names' | 'sources' | 'formats' | 'model'> {
  /** The tensor of the assignment that is written. */
  readonly tensor?: string | undefined;
  readonly recipes?: Pick<RecipeChoices, 'methods' | 'layouts'>;
  readonly fileTypes?: readonly FileTypeDescription[];
  /** Paths of texts from the folder of the document. */
  readonly texts?: readonly string[];
}

const choices: Readonly<Record<CompletionKind, (known: Known) => readonly Choice[]>> = {
  tensor: ({ names, model }) => names.map((name) => choice(name, model?.name)),
  source: sourceChoices,
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
  layout: ({ recipes }) =>
    (recipes?.layouts ?? []).map(({ id, label, runtimes }) => choice(id, [label, ...runtimes].join(' · '))),
  method: ({ recipes }) => (recipes?.methods ?? []).map(({ id, label }) => choice(id, label)),
  fileType: ({ fileTypes = [] }) => fileTypes.map(({ name, label }) => choice(name, label)),
  text: ({ texts = [] }) => texts.map((path) => choice(path)),
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

/** Names in the model: those that the tensor of the assignment is made of come first. */
function sourceChoices({ names, sources = [], tensor, model }: Known): readonly Choice[] {
  const own = tensor === undefined ? undefined : sources[names.indexOf(tensor)];
  const ordered = new Set([...(own ?? []), ...sources.flat()]);
  return [...ordered].map((name) => choice(name, model?.name));
}

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
