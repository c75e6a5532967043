import { QuantscopeError } from '../../model/errors';
import type { MixerKind } from '../../architectures/forward';
import type { Mixer } from './blockShape';
import type { BlockSource } from './blockSource';
import { checkHeads, checkRows, missing } from './blockTensors';
import { deltaParts, readGatedDelta } from './gatedDeltaShape';
import { latentParts, readLatent } from './readLatent';
import { said } from '../../protocol/said';

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
  mamba2: {
    parts: [
      ...['ssm_in', 'ssm_conv1d', 'ssm_norm', 'ssm_out'].map((part) => `${part}.weight`),
      ...['ssm_conv1d.bias', 'ssm_dt.bias', 'ssm_a', 'ssm_d'],
    ],
    marks: ['ssm_in.weight'],
    read: readMamba2,
  },
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

function readAttention({ index, parts, file, needs, ...sizes }: BlockSource): Mixer {
  const own = [...(needs.keys ? ['attn_k'] : []), ...(needs.values ? ['attn_v'] : [])];
  const projections = parts.has('attn_qkv.weight') ? ['attn_qkv'] : ['attn_q', ...own];
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

function readMamba2({ index, parts, number, file }: BlockSource): Mixer {
  const [innerSize, heads] = [number('ssm.inner_size'), number('ssm.time_step_rank')];
  const [groups, stateSize] = [number('ssm.group_count'), number('ssm.state_size')];
  const channels = innerSize + 2 * groups * stateSize;
  const expected = {
    ...{ 'ssm_in.weight': innerSize + channels + heads, 'ssm_conv1d.weight': channels },
    ...{ 'ssm_conv1d.bias': channels, 'ssm_dt.bias': heads, ssm_a: heads, ssm_d: heads },
  };
  for (const [part, rows] of Object.entries(expected)) checkRows(index, parts, part, rows, file);
  const columns = parts.get('ssm_out.weight')?.[1];
  if (columns === undefined) throw missing(`blk.${index}.ssm_out.weight`, file);
  const kernel = parts.get('ssm_conv1d.weight')![1]!;
  const isWhole = [innerSize, heads, groups, stateSize].every((size) => Number.isInteger(size) && size > 0);
  if (isWhole && columns === innerSize && innerSize % heads === 0 && heads % groups === 0)
    return { kind: 'mamba2', innerSize, heads, groups, stateSize, kernel };
  const message = said`The file states ${innerSize} channels of a state space mixer in ${heads} heads and ${groups} groups; the tensor has ${columns} columns.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor: `blk.${index}.ssm_out.weight` });
}
