import { QuantscopeError } from '../../model/errors';
import type { BlockShape, BlockTensors, HeadSizes } from './blockShape';
import { said } from '../../protocol/said';

/** Tensors that a block may have besides those that only its architecture has; any other would change what it computes. */
const knownParts =
  /^(attn_(norm|q|k|v|qkv|output|q_norm|k_norm)|post_attention_norm|ffn_norm|post_ffw_norm|ffn_(gate|up|down)(_exps|_shexp)?|ffn_gate_inp(_shexp)?|rope_freqs)\.(weight|bias)$|^(attn_(q|k|v|qkv|output)|ffn_(gate|up|down)(_exps|_shexp)?)\.(input_)?scale$/;

/**
 * @param ownParts tensors that only the architecture has.
 * @throws QuantscopeError UNSUPPORTED for a tensor that no forward pass knows.
 */
export function checkParts(
  index: number,
  parts: BlockTensors,
  ownParts: readonly string[],
  file: string,
): void {
  const stranger = [...parts.keys()].find((part) => !knownParts.test(part) && !ownParts.includes(part));
  if (stranger !== undefined) {
    const message = said`The forward pass does not know this tensor.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file, tensor: `blk.${index}.${stranger}` });
  }
}

/** @throws QuantscopeError MODEL_FILE where the rows of a projection do not match its heads. */
export function checkHeads(
  index: number,
  parts: BlockTensors,
  { heads, kvHeads, headSize, gatedHeads }: HeadSizes & Pick<BlockShape, 'gatedHeads'>,
  file: string,
): void {
  const queries = gatedHeads ? 2 * heads : heads;
  const expected = { attn_q: queries, attn_k: kvHeads, attn_v: kvHeads, attn_qkv: heads + 2 * kvHeads };
  for (const [part, count] of Object.entries(expected)) {
    const rows = parts.get(`${part}.weight`)?.[0];
    const isWhole = [heads, kvHeads, headSize].every((size) => Number.isInteger(size) && size > 0);
    if (rows === undefined || (isWhole && rows === count * headSize && heads % kvHeads === 0)) continue;
    const message = said`The tensor has ${rows} rows, but ${heads} heads that share ${kvHeads} keys, each of size ${headSize}, need ${count * headSize}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: `blk.${index}.${part}.weight` });
  }
}

/** @throws QuantscopeError MODEL_FILE where a matrix is missing or has not so many rows. */
export function checkRows(
  index: number,
  parts: BlockTensors,
  part: string,
  expected: number,
  file: string,
): void {
  const tensor = `blk.${index}.${part}`;
  const rows = parts.get(part)?.[0];
  if (rows === undefined) throw missing(tensor, file);
  if (rows === expected) return;
  const message = said`The tensor has ${rows} rows; ${expected} are needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor });
}

/** Tensors of a model by their names in GGUF. */
export type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** @throws QuantscopeError MODEL_FILE where a tensor of the model is missing or has another shape. */
export function checkShape(tensors: Shapes, tensor: string, expected: readonly number[], file: string): void {
  const shape = tensors.get(tensor)?.shape;
  if (!shape) throw missing(tensor, file);
  if (shape.join() === expected.join()) return;
  const message = said`The tensor has the shape [${shape.join(', ')}]; [${expected.join(', ')}] is needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor });
}

/** That a tensor is missing. */
export function missing(tensor: string, file: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', said`The model lacks this tensor.`, { file, tensor });
}
