import { QuantscopeError } from '../../model/errors';
import type { LatentAttentionMixer } from './blockShape';
import type { BlockSource } from './blockSource';
import { missing } from './blockTensors';
import { stretchFactor } from './shapeNumbers';
import { said } from '../../protocol/said';

/** Tensors of a block that only latent attention has. */
export const latentParts: readonly string[] = [
  'attn_q_a.weight',
  'attn_q_a_norm.weight',
  'attn_q_b.weight',
  'attn_kv_a_mqa.weight',
  'attn_kv_a_norm.weight',
  'attn_kv_b.weight',
  'attn_k_b.weight',
  'attn_v_b.weight',
];

/**
 * Latent attention by the shapes of its tensors, compressed queries and decompression of each head apart or not.
 * @throws QuantscopeError MODEL_FILE for a tensor that is missing, and one that contradicts others or the numbers of the file.
 */
export function readLatent(source: BlockSource): LatentAttentionMixer {
  const { heads, number } = source;
  const shape = (part: string): readonly number[] => {
    const found = source.parts.get(`${part}.weight`);
    if (found) return found;
    throw missing(`blk.${source.index}.${part}.weight`, source.file);
  };
  const [rank = 0] = shape('attn_kv_a_norm');
  const rotated = (shape('attn_kv_a_mqa')[0] ?? 0) - rank;
  const plain =
    (shape(source.parts.has('attn_q_a.weight') ? 'attn_q_b' : 'attn_q')[0] ?? 0) / heads - rotated;
  const valueSize = (shape('attn_output')[1] ?? 0) / heads;
  const isApart = source.parts.has('attn_k_b.weight');
  check(source, {
    attn_kv_a_mqa: rotated > 0 && rotated === number('rope.dimension_count'),
    [source.parts.has('attn_q_a.weight') ? 'attn_q_b' : 'attn_q']:
      isSize(plain) &&
      plain + rotated === number(isApart ? 'attention.key_length_mla' : 'attention.key_length'),
    attn_output: isSize(valueSize),
    ...(isApart
      ? {
          attn_k_b: isSame(shape('attn_k_b'), [heads, rank, plain]),
          attn_v_b: isSame(shape('attn_v_b'), [heads, valueSize, rank]),
        }
      : { attn_kv_b: isSame(shape('attn_kv_b'), [heads * (plain + valueSize), rank]) }),
  });
  const scale = stretchOfScores(source) ** 2 / Math.sqrt(plain + rotated);
  return { kind: 'latentAttention', rank, plain, rotated, valueSize, scale };
}

const isSize = (value: number): boolean => Number.isInteger(value) && value > 0;

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis]);

/** @throws QuantscopeError MODEL_FILE naming the first tensor whose shape cannot be. */
function check({ index, parts, heads, file }: BlockSource, fits: Readonly<Record<string, boolean>>): void {
  const [part] = Object.entries(fits).find(([, isRight]) => !isRight) ?? [];
  if (part === undefined) return;
  const shape = parts.get(`${part}.weight`)?.join(', ');
  const message = said`The shape [${String(shape)}] does not fit the other tensors of the attention, its ${heads} heads, or the sizes that the file states.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor: `blk.${index}.${part}.weight` });
}

/**
 * What both queries and keys are multiplied by where positions are stretched (DeepSeek-V2's `mscale`), as llama.cpp has it for this
 * attention: under YaRN 1 + m · ln(factor) by the multiplier m of the file; without one, and under linear scaling, 1 + 0.1 · ln(factor),
 * with m or not.
 */
function stretchOfScores({ number, text }: BlockSource): number {
  const factor = stretchFactor(number);
  const kind = text('rope.scaling.type');
  if (kind === 'none' || factor <= 1) return 1;
  const multiplier = number('rope.scaling.yarn_log_multiplier', 0);
  const usual = kind === 'yarn' && multiplier !== 0 ? 1 : 1 + 0.1 * Math.log(factor);
  return number('rope.scaling.attn_factor', 1) * usual * (1 + multiplier * Math.log(factor));
}
