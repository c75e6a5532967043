import * as l10n from '@vscode/l10n';
import type { ConvertPreview, ConvertSettings } from '../protocol/convert';
import type { ModelDescription } from '../protocol/model';
import { plural, size } from '../protocol/words';
import { inLanguage } from '../protocol/said';

/** Something to choose from a list. */
export interface Choice<T> {
  readonly label: string;
  readonly detail: string;
  readonly value: T;
}

type Described = Pick<ModelDescription, 'format' | 'tensors' | 'quantizedLayout'>;

/** What can be done to the weights of a model, the most usual first. */
export function settingsChoices({ format, tensors, quantizedLayout }: Described): Choice<ConvertSettings>[] {
  const isStored = tensors.some(({ stored }) => stored);
  if (quantizedLayout) return [asTheyAre(l10n.t('Codes and scales are copied.'))];
  const rounded = (settings: ConvertSettings, what: string): Choice<ConvertSettings>[] =>
    (['bf16', 'f16', 'f32'] as const).map((dtype) => ({
      label: dtype.toUpperCase(),
      detail: `${what} ${details[dtype]}`,
      value: { ...settings, dtype },
    }));
  if (isStored)
    return [
      asTheyAre(l10n.t('Codes and scales are copied.')),
      ...rounded({ decode: true }, l10n.t('Quantized weights become plain ones.')),
    ];
  if (format === 'gguf')
    return [
      {
        label: l10n.t('As they are'),
        detail: l10n.t(
          'Floats keep their dtypes, blocks become F16; names and config.json of the checkpoint.',
        ),
        value: {},
      },
      ...rounded({}, l10n.t('Names and config.json of the checkpoint.')),
      {
        label: l10n.t('Names of GGUF'),
        detail: l10n.t('Floats keep their dtypes, blocks become F16; no config.json.'),
        value: { names: 'gguf' },
      },
    ];
  return [
    asTheyAre(l10n.t('Every tensor is copied bit by bit.')),
    ...rounded({}, l10n.t('All floats in it.')),
  ];
}

const asTheyAre = (detail: string): Choice<ConvertSettings> => ({
  label: l10n.t('As they are'),
  detail,
  value: {},
});

const details = {
  bf16: l10n.t('The range of F32, 8 bits of precision.'),
  f16: l10n.t('11 bits of precision, at most 65504; a weight beyond it is an error.'),
  f32: l10n.t('Exact for F16 and BF16.'),
} as const;

/** What is written: a folder, in one or several files of weights, or a file. */
export type ConvertForm = 'folder' | 'single' | 'file';

export const formChoices: readonly Choice<ConvertForm>[] = [
  {
    label: l10n.t('Folder of a checkpoint'),
    detail: l10n.t(
      'Files of at most 5 GB with their index, config.json, tokenizer and all that belongs to it.',
    ),
    value: 'folder',
  },
  {
    label: l10n.t('Folder with one file of weights'),
    detail: l10n.t('The same; the weights in one file, however large.'),
    value: 'single',
  },
  { label: l10n.t('One .safetensors file'), detail: l10n.t('The weights alone.'), value: 'file' },
];

/** The file that a name means: without the ending it would be a folder. */
export const safetensorsFile = (path: string): string =>
  /\.safetensors$/i.test(path) ? path : `${path}.safetensors`;

/** The folder that a name means: with the ending it would be a file. */
export const checkpointFolder = (path: string): string => path.replace(/(\.safetensors)+[/\\]?$/i, '');

/** What a conversion would write, as sentences. @param isReplaced whether there is a file of this name. */
export function previewText({ tensors, files, others, notes }: ConvertPreview, isReplaced = false): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const weights = l10n.t(
    '{0}, {1} in {2}.',
    plural(tensors.length, 'tensor'),
    size(bytes),
    plural(files.length, 'file'),
  );
  const dtypes = new Map<string, number>();
  for (const { from, to } of tensors) {
    const change = from === to ? to : `${from} → ${to}`;
    dtypes.set(change, (dtypes.get(change) ?? 0) + 1);
  }
  const changes = [...dtypes].map(([change, count]) => `${change}: ${plural(count, 'tensor')}`);
  const besides = others.length > 0 ? [l10n.t('Also: {0}.', others.join(', '))] : [];
  const replaced = isReplaced ? [l10n.t('The file that is there is replaced.')] : [];
  return [weights, `${changes.join(', ')}.`, ...besides, ...replaced, ...notes.map(inLanguage)].join('\n');
}
