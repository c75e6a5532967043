import { InferenceSession, Tensor, type OnnxValue } from 'onnxruntime-node';
import type { DecoderShape } from '../../src/graph/transformer/decoderShape';

const int64 = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values.map(BigInt)), [...dims]);

/** A session as other programs make it: from the file, with default options but for those that are named. */
export const openOnnx = (
  file: string,
  {
    exact = false,
  }: {
    /** Products of DequantizeLinear and MatMul are computed in float32; by default ONNX Runtime rounds their inputs to 8 bits. */
    readonly exact?: boolean;
  } = {},
): Promise<InferenceSession> =>
  InferenceSession.create(file, {
    ...{ executionProviders: ['cpu'], logSeverityLevel: 3 },
    ...(exact ? { extra: { session: { qdq_matmulnbits_accuracy_level: '1' } } } : {}),
  });

/** A text of a model that runs piece by piece, with keys and values of earlier tokens where the graph has such inputs. */
export class OnnxText {
  private past: Record<string, Tensor> = {};
  private length = 0;

  constructor(
    private readonly session: InferenceSession,
    blocks: DecoderShape['blocks'],
    /** Tokens of padding to the left of the text. */
    private readonly padding = 0,
  ) {
    if (!session.inputNames.includes('past_key_values.0.key')) return;
    for (const { index, kvHeads, headSize } of blocks)
      for (const name of ['key', 'value'])
        this.past[`past_key_values.${index}.${name}`] = new Tensor('float32', new Float32Array(), [
          1,
          kvHeads,
          0,
          headSize,
        ]);
  }

  /** Logits of each of some more tokens. */
  async next(tokens: readonly number[]): Promise<Float32Array[]> {
    const { padding, length } = this;
    const count = tokens.length;
    const inputs: Record<string, OnnxValue> = {
      ...this.past,
      input_ids: int64(tokens, [1, count]),
      position_ids: int64(
        tokens.map((_, i) => Math.max(0, length + i - padding)),
        [1, count],
      ),
      attention_mask: int64(
        Array.from({ length: length + count }, (_, i) => (i < padding ? 0 : 1)),
        [1, length + count],
      ),
    };
    const known = Object.entries(inputs).filter(([name]) => this.session.inputNames.includes(name));
    const outputs = await this.session.run(Object.fromEntries(known));
    this.length += count;
    for (const name of Object.keys(this.past))
      this.past[name] = outputs[name.replace('past_key_values', 'present')]!;
    const logits = outputs['logits']!;
    const values = logits.data as Float32Array;
    const vocabulary = logits.dims[2]!;
    return tokens.map((_, i) => values.slice(i * vocabulary, (i + 1) * vocabulary));
  }
}

/** Largest difference of two lists of rows. */
export function farthest(ours: readonly Float32Array[], theirs: readonly Float32Array[]): number {
  if (ours.length !== theirs.length) throw new Error('the lists have different lengths');
  return ours.reduce(
    (most, row, i) =>
      row.reduce((worst, value, j) => Math.max(worst, Math.abs(value - theirs[i]![j]!)), most),
    0,
  );
}
