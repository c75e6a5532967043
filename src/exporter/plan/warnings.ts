import { ggmlType, isQuantizedDtype } from '../../model/dtypes';
import type { Imatrix } from '../../model/imatrix';
import type { ExportedTensor, ExportSettings } from '../../protocol/export';
import type { Plan } from '../../protocol/plan';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { requantizedNote } from '../requantized';
import { TensorTypeRules } from './tensorTypes';

interface WarnedSettings extends Pick<
  ExportSettings,
  'tensorTypes' | 'includeWeights' | 'excludeWeights' | 'codes'
> {
  readonly plan?: Plan;
  /** The whole matrix, whatever of it is used. */
  readonly imatrix?: Imatrix;
}

/**
 * Losses and irregularities of an export, as sentences.
 * @param imatrix what is used of the importance matrix.
 */
export function warningsOf(
  tensors: readonly (ExportedTensor & { importance?: Float32Array })[],
  { tensorTypes = [], codes, plan, imatrix: whole, includeWeights = [], excludeWeights = [] }: WarnedSettings,
  imatrix: Imatrix | undefined,
): string[] {
  return [
    ...requantized(tensors),
    ...fallbacks(tensors),
    ...(imatrix ? withoutImportance(tensors, imatrix) : []),
    ...(whole ? idleTexts(whole, includeWeights, said`there is nothing to include`) : []),
    ...(whole ? idleTexts(whole, excludeWeights, said`there is nothing to exclude`) : []),
    ...(imatrix && plan && !plan.imatrix
      ? [
          said`The plan was made without an importance matrix: its types and figures are those of weights that are encoded without one.`,
        ]
      : []),
    ...(plan?.codes && codes !== 'optimised'
      ? [said`The plan was made for optimised codes: its figures are not those of this file.`]
      : []),
    ...idleRules(tensors, tensorTypes),
  ];
}

function requantized(tensors: readonly ExportedTensor[]): string[] {
  const again = tensors.filter(({ from, to }) => from.split(', ').some(isQuantizedDtype) && from !== to);
  const note = requantizedNote(again.map(({ from }) => from));
  if (note === undefined) return [];
  const larger = again.some((tensor) => bits(tensor.from) > 0 && bits(tensor.to) > bits(tensor.from));
  return [
    note,
    ...(larger
      ? [
          said`Some become larger without becoming more accurate: their new type has more bits than the old one.`,
        ]
      : []),
    ...(again.some(({ from, shape }) => from === 'MXFP4 blocks' && shape.length === 3)
      ? [said`With the type MXFP4_MOE, experts that are stored in MXFP4 keep their codes and scales.`]
      : []),
  ];
}

function fallbacks(tensors: readonly ExportedTensor[]): string[] {
  const fallen = tensors.filter(({ cause }) => cause === 'fallback');
  if (fallen.length === 0) return [];
  const types = [...new Set(fallen.map(({ to }) => to))].join(', ');
  return [
    fallen.length === 1
      ? said`1 tensor is given another type (${types}), since the row length is not a multiple of the requested type's block size.`
      : said`${count(fallen)} are given another type (${types}), since the row length is not a multiple of the requested type's block size.`,
  ];
}

/** Without importance weights the rest of a model is quantized as if there were no matrix. */
function withoutImportance(
  tensors: readonly (ExportedTensor & { importance?: Float32Array })[],
  { path }: Imatrix,
): string[] {
  const bare = tensors.filter(
    ({ name, to, importance, from }) =>
      from !== to &&
      isQuantizedDtype(to) &&
      !importance &&
      !/^(per_layer_)?token_embd\.|^output\./.test(name),
  );
  if (bare.length === 0) return [];
  const names = bare.slice(0, 3).map(({ name }) => name);
  return [
    said`The importance matrix ${path} has no entries for ${plural(bare.length, 'tensor')}: ${names.join(', ')}${bare.length > 3 ? ', …' : ''}.`,
  ];
}

/** Texts that select entries of the matrix but match none. */
function idleTexts({ path, entries }: Imatrix, texts: readonly string[], nothing: string): string[] {
  const names = [...entries.keys()];
  const idle = texts.filter((text) => !names.some((name) => name.includes(text)));
  return idle.map(
    (text) => said`No entry of the importance matrix ${path} has "${text}" in its name: ${nothing}.`,
  );
}

function idleRules(
  tensors: readonly ExportedTensor[],
  rules: NonNullable<ExportSettings['tensorTypes']>,
): string[] {
  const names = tensors.map(({ name }) => name);
  return new TensorTypeRules(rules, names).idle.map(
    ({ pattern }) => said`The rule ${pattern} does not match any tensor's name.`,
  );
}

const count = (tensors: readonly unknown[]): string => plural(tensors.length, 'tensor');

const bits = (dtype: string): number => {
  const { bitsPerBlock = 0, block = 1 } = ggmlType(dtype) ?? {};
  return bitsPerBlock / block;
};
