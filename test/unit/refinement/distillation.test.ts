import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScoreBase } from '../../../src/evaluation/scoring';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { FileStates, MemoryStates, type States } from '../../../src/graph/transformer/states';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { distil, type DistillationOptions } from '../../../src/refinement/distillation';
import { temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';
import { Checkpoint } from '../../support/reference/checkpoint';
import type { Vector } from '../../support/reference/math';
import { referenceLogits } from '../../support/reference/models';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const length = 10;
const texts = [0, 1].map((text) => Array.from({ length }, (_, i) => (text * 311 + i * 97 + 5) % 1024));
const windows = texts.map((tokens): ScoredInputs => ({
  inputs: Int32Array.from(tokens),
  targets: new Int32Array(length).fill(-1),
}));

/** The original of each model, and some tensors by their names in GGUF. Of merged experts it is the second one. */
const tried: Readonly<Record<string, { readonly base: string; readonly tensors: Record<string, string> }>> = {
  llama: {
    base: 'mixtral',
    tensors: {
      'output.weight': 'lm_head.weight',
      'output_norm.weight': 'model.norm.weight',
      'blk.0.attn_norm.weight': 'model.layers.0.input_layernorm.weight',
      'blk.0.attn_q.weight': 'model.layers.0.self_attn.q_proj.weight',
      'blk.1.ffn_down.weight': 'model.layers.1.mlp.down_proj.weight',
      'token_embd.weight': 'model.embed_tokens.weight',
    },
  },
  // The output matrix is the embedding, whose rows are scaled and whose logits are capped.
  gemma2: { base: 'llama', tensors: { 'token_embd.weight': 'model.embed_tokens.weight' } },
  // What makes states of embeddings has gradients, too.
  gemma4: {
    base: 'llama',
    tensors: {
      'token_embd.weight': 'model.embed_tokens.weight',
      'per_layer_model_proj.weight': 'model.per_layer_model_projection.weight',
      'per_layer_proj_norm.weight': 'model.per_layer_projection_norm.weight',
      'blk.1.attn_k.weight': 'model.layers.1.self_attn.k_proj.weight',
      'blk.1.layer_output_scale.weight': 'model.layers.1.layer_scalar',
    },
  },
  mixtral: {
    base: 'llama',
    tensors: {
      'blk.0.ffn_gate_inp.weight': 'model.layers.0.block_sparse_moe.gate.weight',
      'blk.0.ffn_down_exps.weight': 'model.layers.0.block_sparse_moe.experts.1.w2.weight',
    },
  },
};
const opened = new Map<string, Model>();

beforeAll(async () => {
  for (const name of Object.keys(tried)) {
    await writeCheckpoint(path(name), name);
    opened.set(name, await openModel(path(name)));
  }
});
afterAll(async () => {
  for (const model of opened.values()) await model.close();
});

const decoderOf = (name: string) =>
  openDecoder(opened.get(name)!, { device: 'ort-cpu', length, keep: false, tokensAtOnce: length });

/** The gradients of a pass, and the divergence before it. */
async function pass(name: string, room?: DistillationOptions['room']) {
  const [decoder, base] = [await decoderOf(name), await decoderOf(tried[name]!.base)];
  const states = new MemoryStates(
    new Float32Array(2 * length * base.shape.hiddenSize),
    base.shape.hiddenSize,
  );
  const gradients = new Map<string, Float32Array>();
  try {
    states.write(0, await base.embed(Int32Array.from(texts.flat())));
    await base.advance(states);
    const scoreBase: ScoreBase = {
      decoder: base,
      read: (first, target) => {
        target.set(states.read(first, target.length / base.shape.hiddenSize));
        return Promise.resolve();
      },
    };
    const { stateSize } = decoder.shape;
    const inMemory = (tokens: number): States =>
      new MemoryStates(new Float32Array(tokens * stateSize), stateSize);
    const divergence = await distil(decoder, windows, {
      ...{ base: scoreBase, windowsAtOnce: 2, room: room ?? inMemory },
      wants: (tensor) => tensor in tried[name]!.tensors,
      onGradient: (tensor, gradient) => {
        expect(gradients.has(tensor), tensor).toBe(false);
        gradients.set(tensor, gradient);
        return Promise.resolve();
      },
    });
    return { divergence, gradients };
  } finally {
    await decoder.close();
    await base.close();
  }
}

const probabilities = (logits: Vector): Vector => {
  const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
  return logits.map((value) => Math.exp(value) / total);
};

/** Σ KL(base ‖ model) over all tokens, in float64, by the definition of the models. */
function divergenceOf(checkpoint: Checkpoint, base: readonly Vector[]): number {
  const found = texts.flatMap((tokens) => referenceLogits(checkpoint, tokens).map(probabilities));
  return found.reduce(
    (sum, own, token) => sum + base[token]!.reduce((part, p, i) => part + p * Math.log(p / own[i]!), 0),
    0,
  );
}

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

/** Values in float32 through all blocks have about five digits left. */
const bound = 1e-3;

describe('distillation', () => {
  it.each(Object.entries(tried))(
    '%s: gradients of weights are differences of the divergence of an independent forward pass',
    async (name, { base: baseName, tensors }) => {
      const { divergence, gradients } = await pass(name);
      const checkpoint = new Checkpoint(path(name));
      const original = new Checkpoint(path(baseName));
      const base = texts.flatMap((tokens) => referenceLogits(original, tokens).map(probabilities));
      const tokens = texts.flat().length;
      expect(divergence).toBeCloseTo(divergenceOf(checkpoint, base) / tokens, 6);
      expect([...gradients.keys()].sort()).toEqual(Object.keys(tensors).sort());
      const random = new Random(7);
      for (const [tensor, source] of Object.entries(tensors)) {
        const values = checkpoint.vector(source);
        const size = norm(values) / Math.sqrt(values.length);
        const direction = values.map(() => size * random.normal());
        const expected = slope(checkpoint, base, values, direction);
        const all = gradients.get(tensor)!;
        const found = tensor.includes('_exps.') ? all.subarray(values.length, 2 * values.length) : all;
        expect(found).toHaveLength(values.length);
        const product = direction.reduce((sum, value, i) => sum + value * found[i]!, 0);
        const usual = (norm(found) * norm(direction)) / Math.sqrt(direction.length);
        expect(Math.abs(product - expected) / Math.max(usual, Math.abs(expected)), tensor).toBeLessThan(
          bound,
        );
      }
    },
  );

  it('gives the same gradients when states are kept in files', async () => {
    const width = 64;
    const [memory, files] = [
      await pass('llama'),
      await pass('llama', (tokens) => new FileStates(folder, tokens, width)),
    ];
    expect(files.divergence).toBe(memory.divergence);
    for (const [tensor, gradient] of memory.gradients) expect(files.gradients.get(tensor)).toEqual(gradient);
  });
});

/** The derivative when a tensor moves along a direction: in float64 a step of 1e-5 leaves nine digits. */
function slope(checkpoint: Checkpoint, base: readonly Vector[], values: Vector, direction: Vector): number {
  const step = 1e-5;
  const at = (factor: number): number => {
    direction.forEach((value, i) => (values[i]! += factor * step * value));
    const found = divergenceOf(checkpoint, base);
    direction.forEach((value, i) => (values[i]! -= factor * step * value));
    return found;
  };
  return (at(1) - at(-1)) / (2 * step);
}
