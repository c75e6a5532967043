import type { KeptBlocks } from '../../exporter/codes/keptBlocks';
import type { WeightChange, WeightChanges } from '../../graph/transformer/weights';
import { loadNative } from '../../native';
import { encodeBlocks } from '../../quant/codec';

/** What encoded rows are held in, for tensors of one model and one importance matrix, and how long their rows are. */
export interface EncodingOnce {
  readonly kept: KeptBlocks;
  readonly columns: (tensor: string) => number;
  readonly signal?: AbortSignal;
}

/**
 * The same changes, where the blocks of ggml types are held once they were encoded: a text is run over sets of weights that have most of them in
 * common. Changes with codes that are found by the inputs of a matrix stay as they are: what finds these holds them itself.
 */
export const encodedOnce = (changes: WeightChanges, once: EncodingOnce): WeightChanges =>
  new Map([...changes].map(([name, change]) => [name, { ...change, ...replacement(name, change, once) }]));

function replacement(
  name: string,
  { format: { scheme }, importance, replace }: WeightChange,
  { kept, columns: columnsOf, signal }: EncodingOnce,
): Pick<WeightChange, 'replace'> {
  if (replace || scheme.kind !== 'ggml') return {};
  const { type } = scheme;
  const columns = columnsOf(name);
  return {
    async replace(expert, firstRow, rows) {
      // One weight per column, expert after expert.
      const own = importance?.subarray(expert * columns, (expert + 1) * columns);
      const key = ['reference', name, type, expert, firstRow, rows.length].join(' ');
      const encode = async (): Promise<Uint8Array> =>
        (await encodeBlocks(type, rows, columns, { importance: own, signal })).codes;
      await loadNative().decode(type, await kept.of(key, encode), rows, signal);
      return true;
    },
  };
}
