import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { writeSafetensors, type SafetensorsPart } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { Random } from '../../support/random';

/** Seen from the root, where benchmarks run. */
const sampleFolder = join('samples', 'tiny-shakespeare-llama');

/** Sizes of a llama with random weights. */
export interface LlamaSizes {
  readonly hidden: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly blocks: number;
  readonly vocabulary: number;
  readonly context: number;
}

export type FloatDtype = 'F32' | 'BF16';

/** Matrices of a block as `[rows, columns]`, by their names in a checkpoint. */
export function blockMatrices({
  hidden,
  feedForward,
  heads,
  kvHeads,
}: LlamaSizes): Record<string, [number, number]> {
  const keyValue = (hidden / heads) * kvHeads;
  return {
    'self_attn.q_proj': [hidden, hidden],
    'self_attn.k_proj': [keyValue, hidden],
    'self_attn.v_proj': [keyValue, hidden],
    'self_attn.o_proj': [hidden, hidden],
    'mlp.gate_proj': [feedForward, hidden],
    'mlp.up_proj': [feedForward, hidden],
    'mlp.down_proj': [hidden, feedForward],
  };
}

/** Weights of a block's matrices. */
export const blockWeights = (sizes: LlamaSizes): number =>
  Object.values(blockMatrices(sizes)).reduce((sum, [rows, columns]) => sum + rows * columns, 0);

/** Writes a checkpoint of normal weights, a million different ones over and over; the tokenizer is the sample's. */
export async function writeRandomLlama(folder: string, sizes: LlamaSizes, dtype: FloatDtype): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config(sizes)));
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(sampleFolder, file), join(folder, file));
  const pool = new Random(5).fill(1 << 20, (random) => random.normal());
  const parts = Object.entries(shapesOf(sizes)).map(([name, shape]): SafetensorsPart => {
    const count = shape.reduce((product, size) => product * size, 1);
    // What goes through a matrix keeps its size; norms leave it unchanged.
    const values =
      shape.length === 1 ? new Float32Array(count).fill(1) : scaled(pool, 0.8 / Math.sqrt(shape[1]!));
    return { name, dtype, shape, data: () => repeated(bytesAs(dtype, values), count * bytesOf[dtype]) };
  });
  await writeSafetensors(join(folder, 'model.safetensors'), parts, {});
}

/** Exports a checkpoint to a GGUF file. */
export async function exportAs(folder: string, type: string, file: string): Promise<void> {
  const model = await openModel(folder);
  try {
    await exportGguf(model, { type }, file);
  } finally {
    await model.close();
  }
}

const bytesOf: Readonly<Record<FloatDtype, number>> = { F32: 4, BF16: 2 };

const config = ({
  hidden,
  feedForward,
  heads,
  kvHeads,
  blocks,
  vocabulary,
  context,
}: LlamaSizes): object => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: hidden,
  intermediate_size: feedForward,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  num_hidden_layers: blocks,
  vocab_size: vocabulary,
  max_position_embeddings: context,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
});

function shapesOf(sizes: LlamaSizes): Record<string, number[]> {
  const { hidden, vocabulary, blocks } = sizes;
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [vocabulary, hidden],
    'lm_head.weight': [vocabulary, hidden],
    'model.norm.weight': [hidden],
  };
  for (let block = 0; block < blocks; block++) {
    const prefix = `model.layers.${block}.`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      shapes[`${prefix}${norm}.weight`] = [hidden];
    for (const [name, shape] of Object.entries(blockMatrices(sizes)))
      shapes[`${prefix}${name}.weight`] = shape;
  }
  return shapes;
}

const scaled = (values: Float32Array, factor: number): Float32Array => values.map((value) => value * factor);

function bytesAs(dtype: FloatDtype, values: Float32Array): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}

function* repeated(bytes: Uint8Array, count: number): Generator<Uint8Array> {
  for (let done = 0; done < count; done += bytes.length)
    yield bytes.subarray(0, Math.min(bytes.length, count - done));
}
