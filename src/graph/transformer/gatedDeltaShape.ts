import { QuantscopeError } from '../../model/errors';
import type { GatedDeltaMixer } from './blockShape';
import type { BlockSource } from './blockSource';
import { checkRows, missing } from './blockTensors';
import { said } from '../../protocol/said';

/** Tensors that only a block with a gated delta net has. */
export const deltaParts: readonly string[] = [
  ...['attn_gate.weight', 'ssm_conv1d.weight', 'ssm_dt.bias', 'ssm_a', 'ssm_norm.weight', 'ssm_out.weight'],
  ...['ssm_in.weight', 'ssm_ba.weight', 'ssm_beta.weight', 'ssm_alpha.weight'],
];

type DeltaSource = Pick<BlockSource, 'index' | 'parts' | 'hiddenSize' | 'number' | 'file'>;

/**
 * Sizes of a block's gated delta net, by the shapes of its tensors.
 * @throws QuantscopeError MODEL_FILE for a tensor that is missing, and sizes that contradict each other or the numbers of the file.
 */
export function readGatedDelta(source: DeltaSource): GatedDeltaMixer {
  const { index, parts, hiddenSize, file } = source;
  const sizeOf = (part: string): number => {
    const size = parts.get(part)?.[0];
    if (size === undefined) throw missing(`blk.${index}.${part}`, file);
    return size;
  };
  const convolved = 'ssm_conv1d.weight';
  const [channels, valueHeads, headSize] = [sizeOf(convolved), sizeOf('ssm_a'), sizeOf('ssm_norm.weight')];
  const keyHeads = (channels / headSize - valueHeads) / 2;
  if (!(Number.isInteger(keyHeads) && keyHeads > 0 && valueHeads % keyHeads === 0)) {
    const message = said`${channels} channels are not queries, keys and values of ${valueHeads} heads of size ${headSize}, whose keys are shared by the same number of them each.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: `blk.${index}.${convolved}` });
  }
  checkStated(source, { keyHeads, valueHeads, headSize });
  // Files of Qwen3-Next have rates and decays in one matrix, by heads of keys, older ones the rest, too; so are all heads of values.
  const fused = parts.has('ssm_in.weight');
  const grouped = fused || parts.has('ssm_ba.weight');
  const gates = valueHeads * headSize;
  const expected = {
    ...(fused
      ? { 'ssm_in.weight': channels + gates }
      : { 'attn_qkv.weight': channels, 'attn_gate.weight': gates }),
    'ssm_dt.bias': valueHeads,
    'ssm_out.weight': hiddenSize,
    ...(grouped
      ? { 'ssm_ba.weight': 2 * valueHeads }
      : { 'ssm_beta.weight': valueHeads, 'ssm_alpha.weight': valueHeads }),
  };
  for (const [part, rows] of Object.entries(expected)) checkRows(index, parts, part, rows, file);
  return { kind: 'gatedDelta', keyHeads, valueHeads, headSize, grouped };
}

/** @throws QuantscopeError MODEL_FILE for numbers of the file that its tensors contradict: heads of keys that are smaller look like fewer or more of them. */
function checkStated(
  { index, number, file }: DeltaSource,
  { keyHeads, valueHeads, headSize }: Pick<GatedDeltaMixer, 'keyHeads' | 'valueHeads' | 'headSize'>,
): void {
  const held = { group_count: keyHeads, time_step_rank: valueHeads, state_size: headSize };
  for (const [key, size] of Object.entries(held)) {
    const stated = number(`ssm.${key}`, size);
    if (stated === size) continue;
    const message = said`The file states ${stated} ("ssm.${key}"), but its tensors hold ${keyHeads} heads of keys and ${valueHeads} of values, all of size ${headSize}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: `blk.${index}.ssm_conv1d.weight` });
  }
}
