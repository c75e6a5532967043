import { attend, headsOf, type AttentionOptions } from './attention';
import type { Checkpoint } from './checkpoint';
import {
  activations,
  add,
  layerNorm,
  multiply,
  rmsNorm,
  times,
  type Activation,
  type Tensor,
  type Vector,
} from './math';
import { rotate, rotationOf, type Rotation } from './rope';

/** W x + b of a linear layer; the bias is taken where the checkpoint has one. */
export function linear(checkpoint: Checkpoint, name: string): (x: Vector) => Vector {
  const weight = checkpoint.tensor(`${name}.weight`);
  const bias = checkpoint.optional(`${name}.bias`);
  return (x) => affine(weight, bias, x);
}

export function affine(weight: Tensor, bias: Vector | undefined, x: Vector): Vector {
  const y = multiply(weight, x);
  return bias ? add(y, bias) : y;
}

export type Layer = (x: Vector) => Vector;

/** RMS norm by name; `offset` 1 for gemma. */
export function rms(checkpoint: Checkpoint, name: string, offset = 0): Layer {
  const epsilon = checkpoint.number('rms_norm_eps', 1e-6);
  const weight = checkpoint.vector(`${name}.weight`);
  return (x) => rmsNorm(x, weight, epsilon, offset);
}

export function layer(checkpoint: Checkpoint, name: string, epsilon: number): Layer {
  const weight = checkpoint.vector(`${name}.weight`);
  const bias = checkpoint.optional(`${name}.bias`);
  return (x) => layerNorm(x, weight, bias, epsilon);
}

/** down(activation(gate x) · up x). */
export function gated(
  checkpoint: Checkpoint,
  prefix: string,
  activation: Activation = 'silu',
  names = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' },
): Layer {
  const [gate, up, down] = [names.gate, names.up, names.down].map((name) =>
    linear(checkpoint, `${prefix}.${name}`),
  ) as [Layer, Layer, Layer];
  return (x) => down(times(gate(x).map(activations[activation]), up(x)));
}

/** down(activation(up x)). */
export function plain(up: Layer, down: Layer, activation: Activation): Layer {
  return (x) => down(up(x).map(activations[activation]));
}

export interface AttentionParts {
  readonly q: Layer;
  readonly k: Layer;
  readonly v: Layer;
  readonly o: Layer;
  readonly headSize: number;
  readonly rotation?: Rotation | undefined;
  /** Applied to each head before it is rotated. */
  readonly normQ?: Layer;
  readonly normK?: Layer;
  /** The norms of heads come after the rotation. */
  readonly normsRotated?: boolean;
  readonly options?: AttentionOptions;
}

/** Attention over a whole text: projections, norms of heads, rotation, scores. */
export function attention({ q, k, v, o, headSize, rotation, normQ, normK, ...rest }: AttentionParts) {
  const { normsRotated = false, options } = rest;
  return (inputs: readonly Vector[]): Vector[] => {
    const prepare = (project: Layer, norm?: Layer) =>
      inputs.map((x, position) =>
        headsOf(project(x), headSize).map((head) => {
          const normed = norm && !normsRotated ? norm(head) : head;
          const rotated = rotation ? rotate(normed, position, rotation) : normed;
          return norm && normsRotated ? norm(rotated) : rotated;
        }),
      );
    const values = inputs.map((x) => headsOf(v(x), headSize));
    return attend(prepare(q, normQ), prepare(k, normK), values, options).map(o);
  };
}

/** q, k, v and o under llama's names. */
export function usualAttention(
  checkpoint: Checkpoint,
  prefix: string,
  change: Partial<AttentionParts> = {},
  output = 'o_proj',
): AttentionParts {
  const headSize = headSizeOf(checkpoint);
  const part = (name: string): Layer => linear(checkpoint, `${prefix}.${name}`);
  return withImage(checkpoint, {
    ...{ q: part('q_proj'), k: part('k_proj'), v: part('v_proj'), o: part(output), headSize },
    rotation: rotationOf(checkpoint.config, headSize),
    ...(isCausal(checkpoint) ? {} : { options: { reach: Infinity } }),
    ...change,
  });
}

function withImage({ image }: Checkpoint, parts: AttentionParts): AttentionParts {
  const { rotation, options } = parts;
  const { place, seenUntil } = image ?? {};
  return {
    ...parts,
    ...(place && rotation ? { rotation: { ...rotation, place } } : {}),
    ...(seenUntil ? { options: { ...options, seenUntil } } : {}),
  };
}

/** Whether tokens see only those before them: by a key, or by the class. */
export const isCausal = ({ config }: Checkpoint): boolean =>
  config['is_causal'] !== false &&
  config['use_bidirectional_attention'] !== true &&
  !(config['architectures'] as string[]).includes('LlamaBidirectionalModel');

export function headSizeOf(checkpoint: Checkpoint): number {
  return checkpoint.number(
    'head_dim',
    checkpoint.number('hidden_size', 0) / checkpoint.number('num_attention_heads', 1),
  );
}

/** One block: from the vectors of all positions to those of the next block. */
export type Block = (inputs: readonly Vector[]) => Vector[];

export interface Norms {
  readonly beforeAttention?: Layer;
  readonly afterAttention?: Layer;
  readonly beforeMlp?: Layer;
  readonly afterMlp?: Layer;
}

const same: Layer = (x) => x;

/** x + attention, then + mlp, with norms before and after each. */
export function sequential(attend: Block, mlp: Layer, norms: Norms): Block {
  const { beforeAttention = same, afterAttention = same, beforeMlp = same, afterMlp = same } = norms;
  return (inputs) => {
    const attended = attend(inputs.map(beforeAttention)).map(afterAttention);
    return inputs.map((x, i) => {
      const middle = add(x, attended[i]!);
      return add(middle, afterMlp(mlp(beforeMlp(middle))));
    });
  };
}

/** x + attention(norm x) + mlp(norm x). */
export function parallel(attend: Block, mlp: Layer, beforeAttention: Layer, beforeMlp: Layer): Block {
  return (inputs) => {
    const attended = attend(inputs.map(beforeAttention));
    return inputs.map((x, i) => add(add(x, attended[i]!), mlp(beforeMlp(x))));
  };
}

/** An up and a down projection by name, with an activation between them. */
export const upDown = (checkpoint: Checkpoint, up: string, down: string, activation: Activation): Layer =>
  plain(linear(checkpoint, up), linear(checkpoint, down), activation);

/** All blocks, by the prefix of their tensors. */
export function blocksOf(checkpoint: Checkpoint, prefix: string, block: (prefix: string) => Block): Block[] {
  const count = checkpoint.number('num_hidden_layers');
  return Array.from({ length: count }, (_, i) => block(`${prefix}.${i}`));
}

export interface Model {
  readonly embed: (token: number, position: number) => Vector;
  readonly blocks: readonly Block[];
  readonly norm: Layer;
  readonly output: Layer;
}

/** Rows of an embedding matrix. */
export function embedding(checkpoint: Checkpoint, name: string): (token: number) => Vector {
  const { shape, data } = checkpoint.tensor(name);
  const size = shape[1]!;
  return (token) => data.slice(token * size, (token + 1) * size);
}

export const run = (model: Model, tokens: readonly number[]): Vector[] =>
  statesOf(model, tokens).map((state) => model.output(state));

/**
 * States after the last norm.
 * @param tokens of which some may be vectors in place of their embeddings.
 * @param added to the states of all positions after each of the first blocks.
 */
export function statesOf(
  { embed, blocks, norm }: Model,
  tokens: readonly (number | Vector)[],
  added: readonly (readonly (Vector | undefined)[])[] = [],
): Vector[] {
  const start = tokens.map((token, position) => (typeof token === 'number' ? embed(token, position) : token));
  const after = (states: readonly Vector[], index: number): readonly Vector[] =>
    states.map((state, position) => {
      const more = added[index]?.[position];
      return more ? add(state, more) : state;
    });
  return blocks.reduce<readonly Vector[]>((x, block, index) => after(block(x), index), start).map(norm);
}

/** Embedding, blocks, last norm and output under llama's names. */
export function decoder(
  checkpoint: Checkpoint,
  block: (index: number, prefix: string) => Block,
  offset = 0,
): Model {
  const tied = !checkpoint.has('lm_head.weight');
  const table = 'model.embed_tokens.weight';
  return {
    embed: embedding(checkpoint, table),
    blocks: Array.from({ length: checkpoint.number('num_hidden_layers') }, (_, i) =>
      block(i, `model.layers.${i}`),
    ),
    norm: rms(checkpoint, 'model.norm', offset),
    output: tied ? (x) => multiply(checkpoint.tensor(table), x) : linear(checkpoint, 'lm_head'),
  };
}
