import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../src/exporter/plan/architecture';
import { fileTypes } from '../../src/exporter/plan/fileTypes';
import { isMixed } from '../../src/exporter/plan/mixed';
import { mixTypes } from '../../src/exporter/plan/mixture';
import { compareTensorNames } from '../../src/exporter/plan/order';
import { ggmlTypeName } from '../../src/model/dtypes';
import { hasOracle, llamaCpp, type DescribedModel } from '../support/llamaCpp';

interface Shape {
  readonly architecture: string;
  readonly hidden: number;
  readonly wide: number;
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly head: number;
  readonly vocabulary: number;
  readonly experts?: number;
  readonly expertWide?: number;
  readonly tied?: boolean;
  /** Query, key and value in one matrix; no gate. */
  readonly fused?: boolean;
}

/** Without Qwen2.5-72B: the mock model does not know that it counts as a 70B model, as loaded ones do (exportGguf.test.ts). */
const shapes: Readonly<Record<string, Shape>> = {
  'Llama-3.1-8B': {
    ...{ architecture: 'llama', hidden: 4096, wide: 14336, blocks: 32, heads: 32, kvHeads: 8, head: 128 },
    vocabulary: 128256,
  },
  'Llama-3.1-70B': {
    ...{ architecture: 'llama', hidden: 8192, wide: 28672, blocks: 80, heads: 64, kvHeads: 8, head: 128 },
    vocabulary: 128256,
  },
  'Mixtral-8x7B': {
    ...{ architecture: 'llama', hidden: 4096, wide: 14336, blocks: 32, heads: 32, kvHeads: 8, head: 128 },
    ...{ vocabulary: 32000, experts: 8, expertWide: 14336 },
  },
  'Qwen2.5-7B': {
    ...{ architecture: 'qwen2', hidden: 3584, wide: 18944, blocks: 28, heads: 28, kvHeads: 4, head: 128 },
    vocabulary: 152064,
  },
  'Gemma-2-9B': {
    ...{ architecture: 'gemma2', hidden: 3584, wide: 14336, blocks: 42, heads: 16, kvHeads: 8, head: 256 },
    ...{ vocabulary: 256000, tied: true },
  },
  'Falcon-7B': {
    ...{ architecture: 'falcon', hidden: 4544, wide: 18176, blocks: 32, heads: 71, kvHeads: 1, head: 64 },
    ...{ vocabulary: 65024, fused: true },
  },
  'Falcon-40B': {
    ...{ architecture: 'falcon', hidden: 8192, wide: 32768, blocks: 60, heads: 128, kvHeads: 8, head: 64 },
    ...{ vocabulary: 65024, fused: true },
  },
  'Qwen3-30B-A3B': {
    ...{ architecture: 'qwen3moe', hidden: 2048, wide: 6144, blocks: 48, heads: 32, kvHeads: 4, head: 128 },
    ...{ vocabulary: 151936, experts: 128, expertWide: 768 },
  },
  'Command-R': {
    ...{
      architecture: 'command-r',
      hidden: 8192,
      wide: 22528,
      blocks: 40,
      heads: 64,
      kvHeads: 64,
      head: 128,
    },
    ...{ vocabulary: 256000, tied: true },
  },
  'a model of odd rows': {
    ...{ architecture: 'llama', hidden: 1504, wide: 4000, blocks: 20, heads: 12, kvHeads: 12, head: 128 },
    vocabulary: 32000,
  },
};

/** All matrices of a model, in the order of a file. */
function matricesOf(shape: Shape): { name: string; shape: number[] }[] {
  const { hidden, wide, heads, kvHeads, head, vocabulary, experts = 0, expertWide = wide } = shape;
  const matrices: [string, number[]][] = [
    ['token_embd.weight', [vocabulary, hidden]],
    ...(shape.tied ? [] : [['output.weight', [vocabulary, hidden]] as [string, number[]]]),
  ];
  for (let block = 0; block < shape.blocks; block++) {
    const add = (part: string, ...sizes: number[]) => matrices.push([`blk.${block}.${part}.weight`, sizes]);
    if (shape.fused) {
      add('attn_qkv', (heads + 2 * kvHeads) * head, hidden);
    } else {
      add('attn_q', heads * head, hidden);
      add('attn_k', kvHeads * head, hidden);
      add('attn_v', kvHeads * head, hidden);
    }
    add('attn_output', hidden, heads * head);
    if (experts > 0) {
      add('ffn_gate_inp', experts, hidden);
      add('ffn_gate_exps', experts, expertWide, hidden);
      add('ffn_up_exps', experts, expertWide, hidden);
      add('ffn_down_exps', experts, hidden, expertWide);
    } else {
      if (!shape.fused) add('ffn_gate', wide, hidden);
      add('ffn_up', wide, hidden);
      add('ffn_down', hidden, wide);
    }
  }
  return matrices
    .map(([name, sizes]) => ({ name, shape: sizes }))
    .sort((a, b) => compareTensorNames(a.name, b.name));
}

describe.skipIf(!hasOracle)('mixtures of real models', () => {
  // Unquantized file types are no mixtures; Q1_0 has nothing to fall back to in llama.cpp.
  const mixed = fileTypes.filter(({ base }) => !['F32', 'F16', 'BF16', 'Q1_0'].includes(base));

  it.each(Object.entries(shapes))(
    'gives the tensors of %s the types that llama.cpp gives them',
    async (_, shape) => {
      const tensors = matricesOf(shape).filter(isMixed);
      const { architecture, blocks, heads, kvHeads, experts = 0 } = shape;
      const model: DescribedModel = {
        description: {
          ...{ architecture, n_embd: shape.hidden, n_ff: shape.wide, n_layer: blocks, n_head: heads },
          ...{ n_head_kv: kvHeads, n_expert: experts, n_embd_head_k: shape.head, n_embd_head_v: shape.head },
        },
        tensors,
      };
      const ids = mixed.map(({ id }) => id);
      const { types } = await llamaCpp('types', { models: [model], fileTypes: ids });
      const numbers: Architecture = { name: architecture, blocks, heads, kvHeads, experts };
      for (const [index, fileType] of mixed.entries()) {
        const ours = mixTypes(tensors, fileType, numbers);
        const theirs = tensors.map(({ name }, i) => [name, ggmlTypeName(types[0]![index]![i]!)]);
        expect(Object.fromEntries([...ours].map(([name, { type }]) => [name, type])), fileType.name).toEqual(
          Object.fromEntries(theirs),
        );
      }
    },
  );
});
