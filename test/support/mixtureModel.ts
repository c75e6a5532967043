import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A mixture of experts in the names of qwen3_moe; the data is a hole in the file, all zeros. */
export interface MixtureShape {
  readonly layers: number;
  readonly experts: number;
  readonly hidden: number;
  readonly expertHidden: number;
}

/** 23,583 tensors, of which 23,342 are matrices. */
export const largeMixture: MixtureShape = { layers: 60, experts: 128, hidden: 64, expertHidden: 32 };

/** 100,428 tensors with 400 GB of data. */
export const hugeMixture: MixtureShape = { layers: 65, experts: 512, hidden: 2048, expertHidden: 1000 };

/** Writes a safetensors file of that shape and returns its path; it takes no more of the disk than its header. */
export function writeMixture(folder: string, shape: MixtureShape = largeMixture): string {
  return writeSparse(join(folder, 'mixture.safetensors'), mixtureTensors(shape)).path;
}

/** Writes it in so many shards, equal in tensors, with an index and a configuration, and returns the path of the index and the texts of the headers. */
export function writeShardedMixture(
  folder: string,
  shape: MixtureShape = hugeMixture,
  shards = 200,
): { index: string; headers: string[] } {
  const tensors = [...mixtureTensors(shape)].sort(([a], [b]) => (a < b ? -1 : 1)); // as libraries write them
  const shardOf: Record<string, string> = {};
  const headers: string[] = [];
  const number = (n: number): string => String(n).padStart(5, '0');
  for (let shard = 0; shard < shards; shard++) {
    const part = tensors.slice(
      Math.floor((shard * tensors.length) / shards),
      Math.floor(((shard + 1) * tensors.length) / shards),
    );
    const name = `model-${number(shard + 1)}-of-${number(shards)}.safetensors`;
    headers.push(writeSparse(join(folder, name), part).header);
    for (const [tensor] of part) shardOf[tensor] = name;
  }
  const index = join(folder, 'model.safetensors.index.json');
  writeFileSync(index, `${JSON.stringify({ metadata: {}, weight_map: shardOf }, null, 2)}\n`); // as libraries write it, too
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configOf(shape)));
  return { index, headers };
}

/** One head, because norms of queries and keys are as wide as a head. */
const configOf = ({ layers, experts, hidden, expertHidden }: MixtureShape): object => ({
  ...{ architectures: ['Qwen3MoeForCausalLM'], model_type: 'qwen3_moe', vocab_size: 1024 },
  ...{ num_hidden_layers: layers, hidden_size: hidden, head_dim: hidden },
  ...{ num_attention_heads: 1, num_key_value_heads: 1, max_position_embeddings: 4096 },
  ...{ num_experts: experts, num_experts_per_tok: 8, moe_intermediate_size: expertHidden },
  ...{ rms_norm_eps: 1e-6, rope_theta: 1e6, norm_topk_prob: true },
});

type NamedShape = readonly [name: string, shape: number[]];

/** A safetensors file whose data is a hole. @returns its path and the JSON text of its header. */
function writeSparse(path: string, tensors: readonly NamedShape[]): { path: string; header: string } {
  const entries: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  let offset = 0;
  for (const [name, sizes] of tensors) {
    const bytes = 2 * sizes.reduce((product, size) => product * size, 1);
    entries[name] = { dtype: 'BF16', shape: sizes, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const header = JSON.stringify(entries);
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([length, text]));
  ftruncateSync(file, 8 + text.length + offset);
  closeSync(file);
  return { path, header };
}

function mixtureTensors({ layers, experts, hidden, expertHidden }: MixtureShape): NamedShape[] {
  const block = (layer: number): [string, number[]][] => {
    const inner: [string, number[]][] = [
      ['input_layernorm', [hidden]],
      ...['q', 'k', 'v', 'o'].map((part): [string, number[]] => [`self_attn.${part}_proj`, [hidden, hidden]]),
      ...['q', 'k'].map((part): [string, number[]] => [`self_attn.${part}_norm`, [hidden]]),
      ['post_attention_layernorm', [hidden]],
      ['mlp.gate', [experts, hidden]],
    ];
    for (let expert = 0; expert < experts; expert++) {
      inner.push(
        [`mlp.experts.${expert}.gate_proj`, [expertHidden, hidden]],
        [`mlp.experts.${expert}.up_proj`, [expertHidden, hidden]],
        [`mlp.experts.${expert}.down_proj`, [hidden, expertHidden]],
      );
    }
    return inner.map(([name, shape]) => [`model.layers.${layer}.${name}.weight`, shape]);
  };
  return [
    ['model.embed_tokens.weight', [1024, hidden]],
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    ['model.norm.weight', [hidden]],
    ['lm_head.weight', [1024, hidden]],
  ];
}
