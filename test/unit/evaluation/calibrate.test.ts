import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrate, type CalibrationOptions, type Gram } from '../../../src/evaluation/calibrate';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { FileStates } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { embedding, linear, rms } from '../../support/reference/decoder';
import { matrixInputs, type MatrixInputs } from '../../support/reference/inputs';
import type { Vector } from '../../support/reference/math';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const length = 12;
const texts = [0, 1, 2].map((text) => Array.from({ length }, (_, i) => (text * 311 + i * 97 + 5) % 1024));
const windows = texts.map((tokens): ScoredInputs => ({
  inputs: Int32Array.from(tokens),
  targets: new Int32Array(length).fill(-1).fill(3, 1, 4),
}));
const models = new Map<string, Model>();
const expected = new Map<string, MatrixInputs>();

beforeAll(async () => {
  for (const name of ['llama', 'mixtral', 'deepseek2']) {
    await writeCheckpoint(path(name), name);
    models.set(name, await openModel(path(name)));
    if (name !== 'deepseek2') expected.set(name, matrixInputs(new Checkpoint(path(name)), texts));
  }
});
afterAll(async () => {
  for (const model of models.values()) await model.close();
});

type Options = Partial<CalibrationOptions> & { readonly tokensAtOnce?: number };

async function calibrated(name: string, { tokensAtOnce, ...options }: Options = {}, keep = false) {
  const runs = tokensAtOnce === undefined ? {} : { tokensAtOnce };
  const decoder = await openDecoder(models.get(name)!, { device: 'ort-cpu', length, keep, ...runs });
  try {
    return await calibrate(decoder, windows, { includeOutput: true, windowsAtOnce: 3, ...options });
  } finally {
    await decoder.close();
  }
}

/** Sums over vectors of a value of each of their entries. */
const totals = (vectors: readonly Vector[], of: (x: number) => number): Float64Array =>
  vectors.reduce((sum, x) => sum.map((value, i) => value + of(x[i]!)), new Float64Array(vectors[0]!.length));

function expectStatistics(
  found: { squares: Float64Array; sums: Float64Array; largest: Float64Array },
  vectors: readonly Vector[],
): void {
  const squares = totals(vectors, (x) => x * x);
  const sizes = totals(vectors, Math.abs);
  const sums = totals(vectors, (x) => x);
  expect(found.squares).toHaveLength(squares.length);
  squares.forEach((square, i) => {
    expect(Math.abs(found.squares[i]! / square - 1)).toBeLessThan(1e-5);
    expect(Math.abs(found.sums[i]! - sums[i]!)).toBeLessThan(1e-5 * sizes[i]!);
    expect(Math.abs(found.largest[i]! / Math.max(...vectors.map((x) => Math.abs(x[i]!))) - 1)).toBeLessThan(
      1e-5,
    );
  });
}

/** Matrices that have the input of another one. */
const sameInput: Readonly<Record<string, string>> = {
  attn_k: 'attn_q',
  attn_v: 'attn_q',
  ffn_up: 'ffn_gate',
  ffn_up_exps: 'ffn_gate_exps',
};
const source = (tensor: string): string =>
  tensor.replace(/[^.]+(?=\.weight$)/, (part) => sameInput[part] ?? part);

describe('statistics of the inputs of matrices', () => {
  it.each([1, 2, 3])(
    'are those of an independent forward pass, %i windows at a time',
    async (windowsAtOnce) => {
      const { inputs } = await calibrated('llama', { windowsAtOnce });
      expect([...inputs.keys()]).toHaveLength(2 * 7 + 1);
      for (const [tensor, found] of inputs) {
        const vectors = expected.get('llama')!.get(source(tensor))!;
        expectStatistics(found, vectors);
        expect([...found.counts], tensor).toEqual([3 * length]);
      }
    },
  );

  it('leave the output matrix out unless it is asked for', async () => {
    const { inputs } = await calibrated('llama', { includeOutput: false });
    expect(inputs.has('output.weight')).toBe(false);
    expect(inputs.size).toBe(14);
  });

  it('are the same when all weights stay in memory', async () => {
    const [kept, streamed] = [await calibrated('mixtral', {}, true), await calibrated('mixtral')];
    expect(kept).toEqual(streamed);
  });

  it('of experts are those of the tokens that each got, which are as many as are used', async () => {
    const { inputs } = await calibrated('mixtral', { windowsAtOnce: 1 });
    for (const tensor of ['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps'].flatMap((part) => [
      `blk.0.${part}.weight`,
      `blk.1.${part}.weight`,
    ])) {
      const { counts, squares, sums, largest } = inputs.get(tensor)!;
      expect(counts.reduce((sum, count) => sum + count)).toBe(2 * 3 * length);
      const columns = squares.length / 4;
      counts.forEach((count, expert) => {
        const vectors = expected.get('mixtral')!.get(`${source(tensor)} ${expert}`) ?? [];
        expect(count, `${tensor} ${expert}`).toBe(vectors.length);
        if (count === 0) return;
        const part = (values: Float64Array) => values.subarray(expert * columns, (expert + 1) * columns);
        expectStatistics({ squares: part(squares), sums: part(sums), largest: part(largest) }, vectors);
      });
    }
    expect([...inputs.get('blk.1.ffn_gate_inp.weight')!.counts]).toEqual([3 * length]);
  });

  it('of matrices that each head has are those of the head', async () => {
    const checkpoint = new Checkpoint(path('deepseek2'));
    const norm = rms(checkpoint, 'model.layers.0.input_layernorm');
    const query = linear(checkpoint, 'model.layers.0.self_attn.q_proj');
    const embed = embedding(checkpoint, 'model.embed_tokens.weight');
    const queries = texts.flat().map((token) => query(norm(embed(token))));
    const { inputs } = await calibrated('deepseek2', { windowsAtOnce: 2 });
    const { counts, squares, sums, largest } = inputs.get('blk.0.attn_k_b.weight')!;
    expect([...counts]).toEqual(Array.from({ length: 4 }, () => 3 * length));
    for (const head of counts.keys()) {
      const part = (values: Float64Array) => values.subarray(16 * head, 16 * (head + 1));
      // A head has 16 sizes without and 16 with rotation.
      const vectors = queries.map((x) => x.slice(32 * head, 32 * head + 16));
      expectStatistics({ squares: part(squares), sums: part(sums), largest: part(largest) }, vectors);
    }
    const values = inputs.get('blk.1.attn_v_b.weight')!;
    expect([...values.counts]).toEqual([...counts]);
    expect(values.squares).toHaveLength(4 * 32);
  });

  it('come with the losses of the text', async () => {
    const { scores } = await calibrated('llama');
    expect(scores.losses).toHaveLength(3 * 3);
    expect(Math.min(...scores.losses)).toBeGreaterThan(0);
  });
});

describe('products of inputs, XᵀX', () => {
  const gramsOf = async (name: string, options: Options = {}): Promise<Gram[]> => {
    const grams: Gram[] = [];
    const onGram = (gram: Gram): Promise<void> => {
      grams.push(gram);
      return Promise.resolve();
    };
    await calibrated(name, { onGram, ...options });
    return grams;
  };

  /** Σ over tokens of x xᵀ in float64, and the measured sums, relative to the sizes of both channels. */
  function expectGram({ tensors, expert, columns, rows, values }: Gram, all: MatrixInputs): void {
    const name = source(tensors[0]!);
    const vectors = all.get(expert === undefined ? name : `${name} ${expert}`)!;
    expect(rows).toBe(vectors.length);
    const squares = totals(vectors, (x) => x * x);
    let worst = 0;
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++) {
        const product = vectors.reduce((sum, x) => sum + x[i]! * x[j]!, 0);
        const size = Math.sqrt(squares[i]! * squares[j]!);
        worst = Math.max(worst, Math.abs(values[i * columns + j]! - product) / size);
      }
    expect(worst, `${name} ${expert}`).toBeLessThan(1e-5);
  }

  it('are those of an independent forward pass, one for matrices with the same input', async () => {
    const grams = await gramsOf('llama');
    const part = (block: number, ...names: string[]) => names.map((name) => `blk.${block}.${name}.weight`);
    expect(grams.map(({ tensors }) => tensors)).toEqual([
      ...[0, 1].flatMap((block) => [
        part(block, 'attn_q', 'attn_k', 'attn_v'),
        ...[part(block, 'attn_output'), part(block, 'ffn_gate', 'ffn_up'), part(block, 'ffn_down')],
      ]),
      ['output.weight'],
    ]);
    for (const gram of grams) expectGram(gram, expected.get('llama')!);
  });

  it('of experts are those of their own tokens', async () => {
    const grams = await gramsOf('mixtral');
    const ofExperts = grams.filter(({ expert }) => expert !== undefined);
    expect(ofExperts.length).toBeGreaterThan(8);
    for (const gram of grams) expectGram(gram, expected.get('mixtral')!);
  });

  /** States in a file that note the most tokens that were read at a time. */
  class WatchedStates extends FileStates {
    static most = 0;

    override read(first: number, count: number): Float32Array {
      WatchedStates.most = Math.max(WatchedStates.most, count);
      return super.read(first, count);
    }
  }

  it.each(['llama', 'mixtral'])(
    'of %s are complete and the same when the states of all windows are in a file, of which one window is in memory',
    async (name) => {
      const decoder = await openDecoder(models.get(name)!, { device: 'ort-cpu', length, keep: false });
      const { hiddenSize } = decoder.shape;
      await decoder.close();
      WatchedStates.most = 0;
      const allStates = (tokens: number) => new WatchedStates(folder, tokens, hiddenSize);
      const grams = await gramsOf(name, { allStates, windowsAtOnce: 1, tokensAtOnce: length });
      const inMemory = await gramsOf(name, { windowsAtOnce: 3, tokensAtOnce: length });
      expect(grams).toEqual(inMemory);
      expect(WatchedStates.most).toBe(length);
    },
  );
});
