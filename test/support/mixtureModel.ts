import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
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

/** Writes a safetensors file of that shape and returns its path; it takes no more of the disk than its header. */
export function writeMixture(folder: string, shape: MixtureShape = largeMixture): string {
  const entries: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  let offset = 0;
  for (const [name, sizes] of mixtureTensors(shape)) {
    const bytes = 2 * sizes.reduce((product, size) => product * size, 1);
    entries[name] = { dtype: 'BF16', shape: sizes, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(entries));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const header = Buffer.concat([length, text]);
  const path = join(folder, 'mixture.safetensors');
  const file = openSync(path, 'w');
  writeSync(file, header);
  ftruncateSync(file, header.length + offset);
  closeSync(file);
  return path;
}

function mixtureTensors({ layers, experts, hidden, expertHidden }: MixtureShape): [string, number[]][] {
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
