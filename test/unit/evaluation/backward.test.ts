import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward, type BackwardOptions } from '../../../src/evaluation/backward';
import type { OutputGradients } from '../../../src/evaluation/gradientSums';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { FileStates, MemoryStates, type States } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';
import { Checkpoint } from '../../support/reference/checkpoint';
import type { Vector } from '../../support/reference/math';
import { referenceLogits } from '../../support/reference/models';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const length = 10;
const texts = [0, 1, 2].map((text) => Array.from({ length }, (_, i) => (text * 311 + i * 97 + 5) % 1024));
/** The first two positions of each window are not scored. */
const windows = texts.map((tokens): ScoredInputs => ({
  inputs: Int32Array.from(tokens),
  targets: Int32Array.from(tokens, (_, i) => (i < 2 ? -1 : 1)),
}));

interface Tried {
  /** Tensors of the checkpoint by the names of the matrices in GGUF; of merged experts the second one. */
  readonly matrices: Readonly<Record<string, string>>;
  readonly cap?: number;
}

const llamaMatrices = {
  'blk.0.attn_q.weight': 'model.layers.0.self_attn.q_proj.weight',
  'blk.0.attn_v.weight': 'model.layers.0.self_attn.v_proj.weight',
  'blk.1.attn_output.weight': 'model.layers.1.self_attn.o_proj.weight',
};
const dense = {
  ...llamaMatrices,
  'blk.1.ffn_gate.weight': 'model.layers.1.mlp.gate_proj.weight',
  'blk.0.ffn_down.weight': 'model.layers.0.mlp.down_proj.weight',
};
const experts = 'model.layers.0.block_sparse_moe';
const models: Readonly<Record<string, Tried>> = {
  llama: { matrices: dense },
  gemma2: { matrices: dense, cap: 3 },
  // Later blocks take keys and values of the second and the third one, and each has an embedding of its own.
  gemma4: {
    cap: 30,
    matrices: {
      'blk.0.attn_q.weight': 'model.layers.0.self_attn.q_proj.weight',
      'blk.1.attn_k.weight': 'model.layers.1.self_attn.k_proj.weight',
      'blk.2.attn_v.weight': 'model.layers.2.self_attn.v_proj.weight',
      'blk.4.attn_q.weight': 'model.layers.4.self_attn.q_proj.weight',
      'blk.2.inp_gate.weight': 'model.layers.2.per_layer_input_gate.weight',
      'blk.5.proj.weight': 'model.layers.5.per_layer_projection.weight',
    },
  },
  // Norms come after the experts, beside a network.
  'gemma4 with experts': {
    cap: 30,
    matrices: {
      'blk.0.attn_output.weight': 'model.layers.0.self_attn.o_proj.weight',
      'blk.1.ffn_gate_inp.weight': 'model.layers.1.router.proj.weight',
      'blk.2.ffn_up.weight': 'model.layers.2.mlp.up_proj.weight',
    },
  },
  mixtral: {
    matrices: {
      ...llamaMatrices,
      'blk.0.ffn_gate_inp.weight': `${experts}.gate.weight`,
      'blk.0.ffn_up_exps.weight': `${experts}.experts.1.w3.weight`,
      'blk.0.ffn_down_exps.weight': `${experts}.experts.1.w2.weight`,
    },
  },
  // Experts scored by sigmoid: with a bias, and with inputs that are multiplied by the shares.
  'glm 4.5 air': {
    matrices: {
      ...llamaMatrices,
      'blk.1.ffn_gate_inp.weight': 'model.layers.1.mlp.gate.weight',
      'blk.1.ffn_up_exps.weight': 'model.layers.1.mlp.experts.1.up_proj.weight',
    },
  },
  llama4: {
    matrices: {
      ...llamaMatrices,
      'blk.1.ffn_gate_inp.weight': 'model.layers.1.feed_forward.router.weight',
      'blk.1.ffn_up_shexp.weight': 'model.layers.1.feed_forward.shared_expert.up_proj.weight',
    },
  },
};
const opened = new Map<string, Model>();

beforeAll(async () => {
  for (const name of Object.keys(models)) {
    await writeCheckpoint(path(name), name);
    opened.set(name, await openModel(path(name)));
  }
});
afterAll(async () => {
  for (const model of opened.values()) await model.close();
});

type Options = Partial<BackwardOptions> & { readonly keep?: boolean };

async function pass(name: string, { keep = false, ...options }: Options = {}) {
  const decoder = await openDecoder(opened.get(name)!, { device: 'ort-cpu', length, keep, tokensAtOnce: 20 });
  const { stateSize } = decoder.shape;
  const room = (tokens: number): States => new MemoryStates(new Float32Array(tokens * stateSize), stateSize);
  try {
    return await backward(decoder, windows, { windowsAtOnce: 2, room, ...options });
  } finally {
    await decoder.close();
  }
}

/** Σ g xᵀ: the gradient with respect to the weights, by the tensor; of merged experts that of the second one. */
async function weightGradients(name: string) {
  const found = new Map<string, Float64Array>();
  const sums: OutputGradients[] = [];
  let embedded = new Float32Array();
  const { labels } = await pass(name, {
    onProduct: ({ tensor, expert, rows, columns, gradients, inputs }) => {
      if ((expert ?? 1) !== 1) return Promise.resolve();
      const sum = found.get(tensor) ?? new Float64Array(rows * columns);
      for (let token = 0; token < gradients.length / rows; token++)
        for (let i = 0; i < sum.length; i++)
          sum[i]! +=
            gradients[token * rows + Math.floor(i / columns)]! * inputs[token * columns + (i % columns)]!;
      found.set(tensor, sum);
      return Promise.resolve();
    },
    onOutput: (output) => Promise.resolve(void sums.push(output)),
    onBlockInput: (block, gradients) => {
      if (block === 0) embedded = gradients.read(0, gradients.tokens).slice();
      return Promise.resolve();
    },
  });
  return { found, labels, sums, embedded };
}

/** −Σ ln p(label) over all windows, in float64, by the definition of the model. */
function loss(checkpoint: Checkpoint, labels: Int32Array): number {
  const losses = texts.flatMap((tokens, text) =>
    referenceLogits(checkpoint, tokens).map((logits, i) => {
      const label = labels[text * length + i]!;
      return label < 0 ? 0 : Math.log(normalizer(logits)) - logits[label]!;
    }),
  );
  return losses.reduce((sum, value) => sum + value, 0);
}

const normalizer = (logits: Vector): number => logits.reduce((sum, value) => sum + Math.exp(value), 0);

/** The derivative of the loss when a tensor moves along a direction: in float64 a step of 1e-5 leaves nine digits. */
function slope(checkpoint: Checkpoint, labels: Int32Array, values: Vector, direction: Vector): number {
  const step = 1e-5;
  const at = (factor: number): number => {
    direction.forEach((value, i) => (values[i]! += factor * step * value));
    const found = loss(checkpoint, labels);
    direction.forEach((value, i) => (values[i]! -= factor * step * value));
    return found;
  };
  return (at(1) - at(-1)) / (2 * step);
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

const farthest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

/** Values in float32 through all blocks have about five digits left. */
const bound = 1e-3;

function expectSlope(found: ArrayLike<number>, direction: Vector, expected: number, what: string): void {
  const product = direction.reduce((sum, value, i) => sum + value * found[i]!, 0);
  const usual = (norm(found) * norm(direction)) / Math.sqrt(direction.length);
  expect(Math.abs(product - expected) / Math.max(usual, Math.abs(expected)), what).toBeLessThan(bound);
}

describe('a backward pass over a text', () => {
  it.each(Object.entries(models))(
    '%s: gradients at matrices are differences of the loss of an independent forward pass',
    async (name, { matrices }) => {
      const { found, labels, embedded } = await weightGradients(name);
      const checkpoint = new Checkpoint(path(name));
      const random = new Random(7);
      const directionFor = (values: Vector): Vector => {
        const size = norm(values) / Math.sqrt(values.length);
        return values.map(() => size * random.normal());
      };
      for (const [tensor, source] of Object.entries(matrices)) {
        const values = checkpoint.vector(source);
        const direction = directionFor(values);
        expectSlope(found.get(tensor)!, direction, slope(checkpoint, labels, values, direction), tensor);
      }
      if (!checkpoint.has('lm_head.weight')) return;
      // Of the embedding, each token has a row.
      const table = checkpoint.vector('model.embed_tokens.weight');
      const direction = directionFor(table);
      const width = embedded.length / (texts.length * length);
      const along = Float64Array.from(embedded, (_, i) => {
        const token = Math.floor(i / width);
        return direction[texts.flat()[token]! * width + (i % width)]!;
      });
      expectSlope(embedded, along, slope(checkpoint, labels, table, direction), 'embedding');
    },
  );

  it.each(Object.entries(models))('%s: the output has the variance of its labels', async (name, { cap }) => {
    const { sums } = await weightGradients(name);
    const [output] = sums;
    expect(output).toMatchObject({ tokens: 3 * (length - 2) });
    expect(output!.tensor).toBe(name.startsWith('gemma') ? 'token_embd.weight' : 'output.weight');
    expect(output!.covariance).toBeUndefined();
    const expected = new Float64Array(1024);
    for (const tokens of texts)
      for (const logits of referenceLogits(new Checkpoint(path(name)), tokens).slice(2)) {
        const total = normalizer(logits);
        logits.forEach((logit, i) => {
          const p = Math.exp(logit) / total;
          expected[i]! += p * (1 - p) * (cap === undefined ? 1 : (1 - (logit / cap) ** 2) ** 2);
        });
      }
    expect(farthest(output!.diagonal, expected)).toBeLessThan(1e-4 * Math.max(...expected));
  });

  it('adds up the products of gradients of each matrix', async () => {
    const outputs = new Map<string, OutputGradients>();
    const expected = new Map<string, { sum: Float64Array; tokens: number }>();
    await pass('mixtral', {
      onProduct: ({ tensor, expert, rows, gradients }) => {
        const key = `${tensor} ${expert}`;
        const { sum, tokens } = expected.get(key) ?? { sum: new Float64Array(rows * rows), tokens: 0 };
        for (let token = 0; token < gradients.length; token += rows)
          for (let i = 0; i < sum.length; i++)
            sum[i]! += gradients[token + Math.floor(i / rows)]! * gradients[token + (i % rows)]!;
        expected.set(key, { sum, tokens: tokens + gradients.length / rows });
        return Promise.resolve();
      },
      onOutput: (found) => Promise.resolve(void outputs.set(`${found.tensor} ${found.expert}`, found)),
    });
    expect([...outputs.keys()].sort()).toEqual(['output.weight undefined', ...expected.keys()].sort());
    for (const [key, { sum, tokens }] of expected) {
      const { covariance, diagonal, tokens: counted } = outputs.get(key)!;
      expect(counted).toBe(tokens);
      expect(farthest(covariance!, sum)).toBeLessThan(1e-12 * Math.max(...sum));
      const ownDiagonal = diagonal.map((_, i) => sum[i * diagonal.length + i]!);
      expect(farthest(diagonal, ownDiagonal)).toBeLessThan(1e-12 * Math.max(...sum));
    }
  });

  it('hands over the sums of an expert before those of the next begin', async () => {
    const events: string[] = [];
    const note = (what: string, { tensor, expert }: { tensor: string; expert?: number }): Promise<void> => {
      if (expert !== undefined) events.push(`${what} ${tensor.split('.')[1]} ${expert}`);
      return Promise.resolve();
    };
    await pass('mixtral', {
      onProduct: (found) => note('adds', found),
      onOutput: (found) => note('has', found),
    });
    const experts = new Set(events.map((event) => event.replace(/^\w+ /, '')));
    expect(experts.size).toBeGreaterThan(3);
    for (const expert of experts) {
      const own = events.filter((event) => event.endsWith(` ${expert}`));
      const [first, last] = [events.indexOf(own[0]!), events.lastIndexOf(own.at(-1)!)];
      expect(own.slice(-3), expert).toEqual([`has ${expert}`, `has ${expert}`, `has ${expert}`]);
      expect(events.slice(first, last + 1), expert).toEqual(own);
    }
  });

  it('is the same with states in files and with weights that stay in memory', async () => {
    const run = async (name: string, options: Options) => {
      const found: OutputGradients[] = [];
      const inputs: string[] = [];
      const digest = (values: NodeJS.ArrayBufferView | undefined) =>
        values && createHash('sha256').update(values).digest('hex');
      await pass(name, {
        ...options,
        onOutput: (output) => {
          found.push(output);
          const hash = createHash('sha256');
          for (const { piece } of output.own?.inputs.pieces() ?? []) hash.update(piece);
          inputs.push(hash.digest('hex'));
          return Promise.resolve();
        },
      });
      return found.map(({ covariance, diagonal, own, ...rest }, i) => ({
        ...rest,
        inputs: inputs[i],
        digests: [diagonal, covariance, own?.starts, own?.tokens, own?.weights].map(digest),
      }));
    };
    for (const name of ['llama', 'mixtral']) {
      const plain = await run(name, {});
      const hidden = 64;
      expect(await run(name, { room: (tokens) => new FileStates(folder, tokens, hidden) })).toEqual(plain);
      expect(await run(name, { keep: true, windowsAtOnce: 1 })).toEqual(plain);
    }
  });

  it('can be cancelled, and leaves no states behind', async () => {
    let open = 0;
    class Counted extends MemoryStates {
      constructor(private readonly tokens_: number) {
        super(new Float32Array(tokens_ * 64), 64);
        open += 1;
      }
      override another(): States {
        return new Counted(this.tokens_);
      }
      override close(): void {
        open -= 1;
      }
    }
    const controller = new AbortController();
    const steps: string[] = [];
    const running = pass('mixtral', {
      ...{ signal: controller.signal, room: (tokens) => new Counted(tokens) },
      onStep: (step) => {
        steps.push(step);
        if (step.startsWith('gradients of block')) controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(steps.at(-1)).toBe('gradients of block 2 of 2');
    expect(open).toBe(0);
  });

  it('does not pass rounded inputs, and says which operator is in the way', async () => {
    const decoder = await openDecoder(opened.get('llama')!, {
      ...{ device: 'ort-cpu', length, keep: false, roundInputs: () => 'Q8_0' },
    });
    const room = (tokens: number): States => new MemoryStates(new Float32Array(tokens * 64), 64);
    await expect(backward(decoder, windows, { windowsAtOnce: 3, room })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(
        /^Gradients cannot pass the operator (Abs|Equal|ReduceMax)\.$/,
      ) as string,
    });
    await decoder.close();
  });
});
