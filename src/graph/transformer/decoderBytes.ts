import type { BlockShape } from './blockShape';
import type { DecoderShape } from './decoderShape';

type WeightsOfBlock = Pick<BlockShape, 'tensors' | 'experts'>;

/** Bytes of the weights that a block computes with at a time, in float32, with one of its experts. */
export const blockBytes = (block: WeightsOfBlock): number => weightBytes(block, 1);

/** Bytes of all weights in float32, without the embedding matrix, whose rows are looked up. */
export function modelBytes(shape: DecoderShape): number {
  const all = shape.blocks.map((block) => weightBytes(block, block.experts?.count ?? 1));
  return all.reduce((sum, bytes) => sum + bytes, outerBytes(shape));
}

/** Bytes of the weights in float32 that one more token of a text goes through: counting only the chosen experts. */
export function bytesPerToken(shape: DecoderShape): number {
  const all = shape.blocks.map((block) => weightBytes(block, block.experts?.used ?? 1));
  return all.reduce((sum, bytes) => sum + bytes, outerBytes(shape));
}

/** Bytes of the output matrix, and of the matrices before the first block. */
const outerBytes = ({ vocabulary, hiddenSize, entry }: DecoderShape): number =>
  [...(entry?.tensors.values() ?? [])].reduce(
    (sum, shape) => sum + bytesOf(shape),
    4 * vocabulary * hiddenSize,
  );

const bytesOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 4);

/** @param ofExperts so many of the experts count. */
function weightBytes({ tensors, experts }: WeightsOfBlock, ofExperts: number): number {
  return [...tensors].reduce((sum, [part, shape]) => {
    const bytes = bytesOf(shape);
    return sum + (experts && part.includes('_exps.') ? (bytes * ofExperts) / experts.count : bytes);
  }, 0);
}
