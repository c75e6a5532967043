import type { MixerKind } from '../../architectures/forward';
import type { Mixer } from './blockShape';
import type { BlockSource } from './blockSource';
import { checkHeads, checkRows, missing } from './blockTensors';
import { deltaParts, readGatedDelta } from './gatedDeltaShape';
import { latentParts, readLatent } from './readLatent';

/** How the tensors of a block say that it has a mixer. */
interface MixerReader {
  /** Tensors that only a block with it has. */
  readonly parts: readonly string[];
  /** Has one of these where the block has the mixer. */
  readonly marks: readonly string[];
  /** @throws QuantscopeError MODEL_FILE for what is missing or contradicts the numbers of the file. */
  readonly read: (source: BlockSource) => Mixer;
}

const readers: Readonly<Record<MixerKind, MixerReader>> = {
  attention: {
    parts: [],
    marks: ['attn_output.weight', 'attn_q.weight'],
    read: readAttention,
  },
  latentAttention: { parts: latentParts, marks: ['attn_kv_a_mqa.weight'], read: readLatent },
  shortConvolution: {
    parts: ['shortconv.in_proj.weight', 'shortconv.conv.weight', 'shortconv.out_proj.weight'],
    marks: ['shortconv.conv.weight'],
    read: readShortConvolution,
  },
  gatedDelta: { parts: deltaParts, marks: ['attn_gate.weight', 'ssm_a'], read: readGatedDelta },
};

/** Tensors of a block that only architectures with these mixers have. */
export const partsOfMixers = (kinds: readonly MixerKind[] = []): readonly string[] =>
  kinds.flatMap((kind) => readers[kind].parts);

/**
 * What takes a token's states from those of others in a block: its mixers among those that the architecture has.
 * @param mayLack whether the block may have none.
 * @throws QuantscopeError MODEL_FILE for a tensor that is missing, and one that contradicts the numbers of the file.
 */
export function mixersOf(source: BlockSource, kinds: readonly MixerKind[], mayLack: boolean): Mixer[] {
  const found = kinds.filter((kind) => readers[kind].marks.some((part) => source.parts.has(part)));
  // One without any is read as the first, whose reader names what is missing.
  const all = found.length > 0 || mayLack ? found : kinds.slice(0, 1);
  return all.map((kind) => readers[kind].read(source));
}

function readAttention({ index, parts, file, ...sizes }: BlockSource): Mixer {
  const projections = parts.has('attn_qkv.weight') ? ['attn_qkv'] : ['attn_q', 'attn_k', 'attn_v'];
  for (const part of [...projections, 'attn_output'])
    if (!parts.has(`${part}.weight`)) throw missing(`blk.${index}.${part}.weight`, file);
  checkHeads(index, parts, sizes, file);
  return { kind: 'attention' };
}

function readShortConvolution({ index, parts, hiddenSize, file }: BlockSource): Mixer {
  const expected = { in_proj: 3 * hiddenSize, conv: hiddenSize, out_proj: hiddenSize };
  for (const [part, rows] of Object.entries(expected))
    checkRows(index, parts, `shortconv.${part}.weight`, rows, file);
  return { kind: 'shortConvolution' };
}
