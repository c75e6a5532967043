import { writeAtomically } from '../../src/files/atomicFile';
import type { KeyValue } from '../../src/model/keyValue';
import { layOutGguf, writeGguf } from '../../src/exporter/gguf/writer';
import { Random } from './random';

/** A model of a few weights with the layers and names of a large one: what mixing rules look at. */
export interface SyntheticModel {
  readonly architecture: string;
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly experts?: number;
  /** No output.weight. */
  readonly tied?: boolean;
  /** Row length; 256 when absent. */
  readonly columns?: number;
  /** Matrices of each block. */
  readonly parts?: readonly string[];
  /** Further tensors by name. */
  readonly extra?: Readonly<Record<string, readonly number[]>>;
  /** Further key-values. */
  readonly keyValues?: readonly KeyValue[];
  /** Of the data of tensors; 32 when absent. */
  readonly alignment?: number;
}

const llamaParts = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];

/** Writes the model with random weights in float32. */
export async function writeSyntheticGguf(path: string, model: SyntheticModel): Promise<void> {
  const tensors = Object.entries(shapesOf(model)).map(([name, shape]) => {
    return { name, shape, to: 'F32', bytes: 4 * shape.reduce((product, size) => product * size, 1) };
  });
  const random = new Random(7);
  const layout = layOutGguf(keyValuesOf(model), tensors, model.alignment);
  await writeAtomically(path, (file) =>
    writeGguf(file, layout, async function* ({ bytes }) {
      yield await Promise.resolve(new Uint8Array(random.fill(bytes / 4, (r) => r.normal()).buffer));
    }),
  );
}

function shapesOf(model: SyntheticModel): Record<string, readonly number[]> {
  const { blocks, experts = 0, tied = false, columns = 256, parts = llamaParts, extra = {} } = model;
  const shapes: Record<string, readonly number[]> = {
    ...extra,
    'token_embd.weight': [4, columns],
    'output_norm.weight': [columns],
    ...(tied ? {} : { 'output.weight': [4, columns] }),
  };
  for (let block = 0; block < blocks; block++) {
    for (const part of parts) {
      if (experts > 0 && part.startsWith('ffn')) shapes[`blk.${block}.${part}_exps.weight`] = [2, 2, columns];
      else shapes[`blk.${block}.${part}.weight`] = [2, columns];
    }
    if (experts > 0) shapes[`blk.${block}.ffn_gate_inp.weight`] = [experts, columns];
  }
  return shapes;
}

function keyValuesOf(model: SyntheticModel): KeyValue[] {
  const { architecture, blocks, heads, kvHeads, experts = 0, keyValues = [], alignment } = model;
  const u32 = (key: string, value: number): KeyValue => ({
    key: `${architecture}.${key}`,
    type: 'u32',
    value,
  });
  const epsilon = (key: string): KeyValue => ({ key: `${architecture}.${key}`, type: 'f32', value: 1e-5 });
  return [
    ...keyValues,
    ...(alignment === undefined
      ? []
      : [{ key: 'general.alignment', type: 'u32', value: alignment } as const]),
    { key: 'general.architecture', type: 'string', value: architecture },
    u32('context_length', 256),
    u32('embedding_length', 256),
    u32('block_count', blocks),
    u32('feed_forward_length', 256),
    u32('attention.head_count', heads),
    u32('attention.head_count_kv', kvHeads),
    epsilon('attention.layer_norm_rms_epsilon'),
    epsilon('attention.layer_norm_epsilon'),
    u32('vocab_size', 4),
    ...(experts > 0 ? [u32('expert_count', experts), u32('expert_used_count', 2)] : []),
  ];
}
