import type { GgufView } from '../../architectures/ggufView';
import type { ForwardTraits } from '../../architectures/forward';
import { QuantscopeError } from '../../model/errors';
import { said } from '../../protocol/said';

/** A number by its key without the architecture's name, or `fallback` where there is no such key. */
export type NumberOf = (key: string, fallback?: number) => number;

/** Hyper-parameters by their keys without the architecture's name. */
export function numbersOf({ architecture, value }: GgufView, file: string): NumberOf {
  return (key, fallback) => {
    const found = value(`${architecture}.${key}`);
    if (found === undefined && fallback !== undefined) return fallback;
    const number = Number(found);
    if (found !== undefined && Number.isFinite(number)) return number;
    const message =
      found === undefined
        ? said`The key "${architecture}.${key}" is missing; the model cannot be run without this number.`
        : said`The key "${architecture}.${key}" is ${String(found)}; the model cannot be run without this number.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
}

/** A count stated by a key, limited by how many there can be. */
export function countOf(view: GgufView, key: string, most: number, file: string): number {
  const count = numbersOf(view, file)(key);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  const message = said`The key "${view.architecture}.${key}" is ${count}; a whole number from 1 to ${most} is needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}

/** What the blocks of a decoder have in common. */
export interface Numbers {
  readonly file: string;
  readonly isFlag: (key: string) => boolean;
  readonly text: (key: string) => string | undefined;
  /** Values of all layers, where the file states them one by one. */
  readonly list: GgufView['list'];
  readonly traits: ForwardTraits;
  readonly number: NumberOf;
  /** Where the checkpoint says which layers see a window, and the file will not. */
  readonly window: GgufView['window'];
  readonly hiddenSize: number;
  readonly count: number;
  readonly heads: number;
  readonly epsilon: number;
}

/** A factor that a key states, where the architecture has such keys; llama.cpp ignores one that is 0. */
export function scaleOf(
  { traits, number }: Pick<Numbers, 'traits' | 'number'>,
  key: string,
): number | undefined {
  const scale = traits.scales ? number(key, 0) : 0;
  return scale === 0 ? undefined : scale;
}

/** How far positions are stretched: under the older of its keys where a file lacks the newer; llama.cpp takes 0 for 1. */
export const stretchFactor = (number: NumberOf): number =>
  number('rope.scaling.factor', number('rope.scale_linear', 1)) || 1;
