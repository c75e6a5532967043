import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../src/graph/onnxWriter';
import { Ops } from '../../../../src/graph/ops';
import { deltaRule, type DeltaSizes } from '../../../../src/graph/transformer/deltaRule';
import { RunnableGraph } from '../../../support/gradients';
import { Random } from '../../../support/random';

const [size, length, windows] = [8, 75, 2];
const tokens = windows * length;
/** One head of keys that two of values share. */
const sizes: DeltaSizes = { length, size, keyHeads: [1, 1], valueHeads: [1, 2] };

interface Inputs {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly decay: Float32Array;
  readonly rate: Float32Array;
}

/** Token by token, in float64: S ← eᵍ S, S ← S + β k (v − Sᵀk)ᵀ, Sᵀq. */
function recurrence({ query, key, value, decay, rate }: Inputs): Float64Array {
  const found = new Float64Array(tokens * 2 * size);
  for (let head = 0; head < 2; head++) {
    let state = new Float64Array(size * size);
    for (let token = 0; token < tokens; token++) {
      if (token % length === 0) state = new Float64Array(size * size);
      const at = 2 * token + head;
      const kept = Math.exp(decay[at]!);
      for (let i = 0; i < state.length; i++) state[i]! *= kept;
      const applied = (x: Float32Array, column: number): number => {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += x[token * size + i]! * state[i * size + column]!;
        return sum;
      };
      const errors = Array.from({ length: size }, (_, j) => value[at * size + j]! - applied(key, j));
      for (let i = 0; i < size; i++)
        for (let j = 0; j < size; j++)
          state[i * size + j]! += rate[at]! * key[token * size + i]! * errors[j]!;
      for (let j = 0; j < size; j++) found[at * size + j] = applied(query, j);
    }
  }
  return found;
}

async function inChunks(inputs: Inputs): Promise<Float32Array> {
  const graph = new GraphBuilder('rule');
  const given = {
    query: graph.input('query', ['n', size]),
    key: graph.input('key', ['n', size]),
    value: graph.input('value', ['n', 2 * size]),
    decay: graph.input('decay', ['n', 2]),
    rate: graph.input('rate', ['n', 2]),
  };
  graph.output('y', deltaRule(new Ops(graph), sizes, given).output, ['n', 2 * size]);
  const runnable = await RunnableGraph.open(graph.finish());
  const feeds = Object.entries(inputs).map(([name, data]: [string, Float32Array]) => [
    name,
    { dims: [tokens, data.length / tokens], data },
  ]);
  const { y } = await runnable.run(Object.fromEntries(feeds) as Parameters<typeof runnable.run>[0]);
  await runnable.close();
  return y!.data;
}

const random = new Random(3);
const normal = (count: number): Float32Array => random.fill(count, (source) => source.normal());
/** Rows made one long. */
const unit = (rows: Float32Array): Float32Array =>
  rows.map((value, i) => value / Math.hypot(...rows.subarray(i - (i % size), i - (i % size) + size)));

describe('the gated delta rule in chunks is the recurrence', () => {
  const usual = (): Inputs => ({
    query: normal(tokens * size),
    key: unit(normal(tokens * size)),
    value: normal(tokens * 2 * size),
    decay: random.fill(tokens * 2, (source) => -source.next()),
    rate: random.fill(tokens * 2, (source) => source.next()),
  });

  it.each([
    ['for keys in all directions', {}],
    ['where all keys are the same and nothing is forgotten', { alike: true, decay: 0, rate: 1 }],
    ['where everything is forgotten at once', { decay: -90 }],
    ['where errors are hardly corrected', { rate: 1e-3 }],
  ] as const)('%s', async (_, change: { alike?: boolean; decay?: number; rate?: number }) => {
    const inputs = usual();
    const { alike, decay, rate } = change;
    if (alike) inputs.key.set(inputs.key.map((__, i) => inputs.key[i % size]!));
    if (decay !== undefined) inputs.decay.fill(decay);
    if (rate !== undefined) inputs.rate.fill(rate);
    const [found, expected] = [await inChunks(inputs), recurrence(inputs)];
    const spread = Math.max(...expected.map(Math.abs));
    const farthest = Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)));
    expect(farthest).toBeLessThan(2e-6 * spread);
  });
});
