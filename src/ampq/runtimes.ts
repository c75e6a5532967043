import { ggmlFormats } from '../protocol/ggmlTypes';
import type { OverrideKind } from '../protocol/overrides';
import type { PlanConstraint } from '../protocol/plan';
import type { Runtime } from '../protocol/runtimes';
import { findFormat } from '../quant/catalogue';

/** What a runtime loads, and how a plan reaches it. */
export interface RuntimeRules {
  /** What matrices can have, besides floats: integers of these widths, as the name of their grid. Absent for types of ggml. */
  readonly grids?: readonly string[];
  /** Tensors that only floats are loaded for. */
  readonly floats?: RegExp;
  /** Tensors of one layer that the runtime computes together, so that they have one format. */
  readonly fused: readonly RegExp[];
  /** What the plan is written as. */
  readonly exportAs: 'gguf' | OverrideKind;
}

/** Floats of checkpoints: a matrix has no error in its own. */
const floatFormats = ['BF16', 'F16'] as const;

const integers = (widths: readonly number[], name: (bits: number) => string): string[] => widths.map(name);

/** Names of an embedding and of an output matrix in GGUF and in checkpoints. */
const [embedding, output] = [
  '(^token_embd|embed_tokens|wte|word_embeddings)\\.weight$',
  '(^output|lm_head)\\.weight$',
];

export const runtimeRules: Readonly<Record<Runtime, RuntimeRules>> = {
  'llama.cpp': { fused: [], exportAs: 'gguf' },
  // compressed-tensors: WNA16_SUPPORTED_BITS of compressed_tensors_wNa16.py; packed_modules_mapping of the models; one scheme for the
  // experts of a layer (compressed_tensors_moe.py).
  vllm: {
    grids: integers([4, 8], (bits) => `int${bits}-g128-bf16`),
    floats: new RegExp(`${embedding}|${output}`),
    fused: [
      /\.(attn_[qkv]|self_attn\.[qkv]_proj)\.weight$/,
      /\.(ffn_(gate|up)|mlp\.(gate|up)_proj)\.weight$/,
      /\.(ffn_(gate|up)_shexp|mlp\.shared_experts?\.(gate|up)_proj)\.weight$/,
      /\.(ffn_(gate|up|down)_exps|experts\.\d+\.[\w.]+)\.weight$/,
    ],
    exportAs: 'recipe',
  },
  // MatMulNBits takes 2, 4 and 8 bits with float32 scales; an embedding is not a product.
  onnxruntime: {
    grids: integers([2, 4, 8], (bits) => `int${bits}-g32-f32`),
    floats: new RegExp(embedding),
    fused: [],
    exportAs: 'onnx-recipe',
  },
  // mlx.core.quantize: affine, in groups of 64.
  mlx: {
    grids: integers([2, 3, 4, 5, 6, 8], (bits) => `uint${bits}-g64-zp`),
    fused: [/\.(ffn_(gate|up|down)_exps|experts\.\d+\.[\w.]+)\.weight$/],
    exportAs: 'mlx',
  },
};

/** The formats that a runtime loads, candidates of its plans; undefined for llama.cpp, which loads all types of ggml. */
export const runtimeFormats = (runtime: Runtime): readonly string[] | undefined => {
  const { grids } = runtimeRules[runtime];
  return grids && [...grids, ...floatFormats];
};

/** Whether a runtime loads a format, by its name in any case. */
export function loadsFormat(runtime: Runtime, format: string): boolean {
  const id = findFormat(format)?.id;
  if (id === undefined) return false;
  return runtimeFormats(runtime)?.includes(id) ?? ggmlFormats.some(({ name }) => name === id);
}

/** What a plan has to keep to so that a runtime loads it, as constraints of the tensors that are there. */
export function runtimeConstraints(runtime: Runtime, tensors: readonly string[]): PlanConstraint[] {
  const { floats, fused } = runtimeRules[runtime];
  const constraints: PlanConstraint[] = [
    ...(floats ? [{ tensors: floats.source, allow: floatFormats }] : []),
    ...fused.map(({ source }) => ({ tensors: source, agree: true as const })),
  ];
  return constraints.filter((constraint) => {
    const pattern = new RegExp(constraint.tensors);
    return tensors.some((tensor) => pattern.test(tensor));
  });
}
