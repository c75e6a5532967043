import type { MixerKind } from '../../architectures/forward';
import type { BlockTensors, HeadSizes, Mixer } from './blockShape';
import { checkHeads, missing } from './blockTensors';
import type { NumberOf } from './shapeNumbers';

/** What says how a block's mixers compute. */
export interface BlockSource extends HeadSizes {
  readonly index: number;
  readonly parts: BlockTensors;
  readonly number: NumberOf;
  readonly file: string;
}

/** How the tensors of a block say that it has a mixer. */
interface MixerReader {
  /** Has one of these where the block has the mixer. */
  readonly marks: readonly string[];
  /** @throws QuantscopeError MODEL_FILE for what is missing or contradicts the numbers of the file. */
  readonly read: (source: BlockSource) => Mixer;
}

const readers: Readonly<Record<MixerKind, MixerReader>> = {
  attention: { marks: ['attn_output.weight', 'attn_q.weight', 'attn_qkv.weight'], read: readAttention },
};

/**
 * What takes a token's states from those of others in a block: its mixers among those that the architecture has.
 * @throws QuantscopeError MODEL_FILE for a tensor that is missing, and one that contradicts the numbers of the file.
 */
export function mixersOf(source: BlockSource, kinds: readonly MixerKind[]): Mixer[] {
  const found = kinds.map((kind) => readers[kind]);
  return found
    .filter(({ marks }) => found.length === 1 || marks.some((part) => source.parts.has(part)))
    .map(({ read }) => read(source));
}

function readAttention({ index, parts, file, ...sizes }: BlockSource): Mixer {
  const projections = parts.has('attn_qkv.weight') ? ['attn_qkv'] : ['attn_q', 'attn_k', 'attn_v'];
  for (const part of [...projections, 'attn_output'])
    if (!parts.has(`${part}.weight`)) throw missing(`blk.${index}.${part}.weight`, file);
  checkHeads(index, parts, sizes, file);
  return { kind: 'attention' };
}
