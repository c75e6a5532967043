import { InferenceSession, Tensor, type OnnxValue } from 'onnxruntime-node';

/** A session as other programs make it: from the file, with default options but for those that are named. */
export const openOnnx = (
  file: string,
  {
    exact = false,
    threads,
  }: {
    /** Products of DequantizeLinear and MatMul are computed in float32; by default ONNX Runtime rounds their inputs to 8 bits. */
    readonly exact?: boolean;
    readonly threads?: number;
  } = {},
): Promise<InferenceSession> =>
  InferenceSession.create(file, {
    ...{ executionProviders: ['cpu'], logSeverityLevel: 3 },
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(exact ? { extra: { session: { qdq_matmulnbits_accuracy_level: '1' } } } : {}),
  });

/** A token of a text, or padding. */
export type Slot = number | undefined;

/**
 * Texts of a model that run side by side and piece by piece, with keys and values of earlier tokens where the graph has such inputs.
 * Padding is masked and does not count as a position, wherever it is.
 */
export class OnnxTexts {
  private past: Record<string, Tensor>;
  private readonly masks: number[][];

  constructor(
    private readonly session: InferenceSession,
    count: number,
  ) {
    this.masks = Array.from({ length: count }, () => []);
    this.past = noPast(session, count);
  }

  /** Logits of each of some more slots, by text; all texts get as many. */
  async next(texts: readonly (readonly Slot[])[]): Promise<Float32Array[][]> {
    const { masks, session } = this;
    const positions = texts.map((slots, text) =>
      slots.map((slot) => {
        const position = masks[text]!.reduce((sum, bit) => sum + bit, 0);
        masks[text]!.push(slot === undefined ? 0 : 1);
        return position;
      }),
    );
    const inputs: Record<string, OnnxValue> = {
      ...this.past,
      input_ids: table(texts.map((slots) => slots.map((slot) => slot ?? 0))),
      position_ids: table(positions),
      attention_mask: table(masks),
    };
    const known = Object.entries(inputs).filter(([name]) => session.inputNames.includes(name));
    const outputs = await session.run(Object.fromEntries(known));
    for (const name of Object.keys(this.past))
      this.past[name] = outputs[name.replace('past_key_values', 'present')]!;
    return rowsOf(outputs['logits']!);
  }
}

/** One such text. */
export class OnnxText {
  private readonly texts: OnnxTexts;

  constructor(session: InferenceSession) {
    this.texts = new OnnxTexts(session, 1);
  }

  /** Logits of each of some more slots. */
  async next(slots: readonly Slot[]): Promise<Float32Array[]> {
    return (await this.texts.next([slots]))[0]!;
  }
}

const table = (rows: readonly (readonly number[])[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

/** Keys and values of no tokens. */
function noPast({ inputMetadata }: InferenceSession, texts: number): Record<string, Tensor> {
  const caches = inputMetadata.filter(({ name }) => name.startsWith('past_key_values.'));
  return Object.fromEntries(
    caches.map((input) => {
      const [, kvHeads, , headSize] = input.isTensor ? input.shape : [];
      const dims = [texts, Number(kvHeads), 0, Number(headSize)];
      return [input.name, new Tensor('float32', new Float32Array(), dims)];
    }),
  );
}

/** Rows of `[texts, slots, vocabulary]`, by text. */
function rowsOf({ data, dims }: Tensor): Float32Array[][] {
  const [texts = 0, slots = 0, vocabulary = 0] = dims;
  return Array.from({ length: texts }, (_, text) =>
    Array.from({ length: slots }, (__, slot) => {
      const row = (text * slots + slot) * vocabulary;
      return (data as Float32Array).slice(row, row + vocabulary);
    }),
  );
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

/** The token with the largest logit. */
export const likeliest = (logits: Float32Array): number =>
  logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));

/** Mean KL divergence (nats) of the distributions of rows of logits from those of others. */
export function meanDivergence(original: readonly Float32Array[], changed: readonly Float32Array[]): number {
  const each = original.map((row, i) => {
    const other = changed[i]!;
    const [ours, theirs] = [logSum(row), logSum(other)];
    return row.reduce(
      (sum, value, j) => sum + Math.exp(value - ours) * (value - ours - other[j]! + theirs),
      0,
    );
  });
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

function logSum(row: Float32Array): number {
  const most = row.reduce((a, b) => Math.max(a, b));
  return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
