import type { QuantizedLayout, TensorDescriptor } from '../protocol/model';
import { isRecord } from './json';

/** The tensors that stand for one weight matrix, by the ends of their names ("qweight", "scales"). */
class Parts {
  private readonly byEnd = new Map<string, TensorDescriptor>();

  add(end: string, tensor: TensorDescriptor): void {
    this.byEnd.set(end, tensor);
  }

  has(...ends: readonly string[]): boolean {
    return ends.every((end) => this.byEnd.has(end));
  }

  /** Whether the part has that dtype; unknown where the shard is missing. */
  is(end: string, ...dtypes: readonly string[]): boolean {
    const dtype = this.byEnd.get(end)?.dtype;
    return dtype !== undefined && (dtype === '?' || dtypes.includes(dtype));
  }

  /** The last dimension of a part. */
  columns(end: string): number | undefined {
    return this.byEnd.get(end)?.shape.at(-1);
  }
}

interface LayoutRule {
  readonly name: string;
  readonly matches: (parts: Parts) => boolean;
  /** How to get plain weights, where a way is known. */
  readonly advice?: string;
}

const bitsandbytes = "transformers' model.dequantize() gives plain weights";
const converter = "llama.cpp's convert_hf_to_gguf.py decodes it";

/** Layouts by the parts that their libraries write, the more specific first. */
const rules: readonly LayoutRule[] = [
  {
    name: 'bitsandbytes NF4',
    matches: (parts) => parts.has('weight.quant_state.bitsandbytes__nf4'),
    advice: bitsandbytes,
  },
  {
    name: 'bitsandbytes FP4',
    matches: (parts) => parts.has('weight.quant_state.bitsandbytes__fp4'),
    advice: bitsandbytes,
  },
  {
    name: 'bitsandbytes 4-bit',
    matches: (parts) => parts.has('weight.absmax', 'weight.quant_map'),
    advice: bitsandbytes,
  },
  { name: 'bitsandbytes LLM.int8', matches: (parts) => parts.has('SCB'), advice: bitsandbytes },
  {
    name: 'GPTQ', // where a shard is missing only g_idx tells it from AWQ
    matches: (parts) =>
      parts.has('qweight', 'scales') &&
      (parts.has('g_idx') ||
        (parts.has('qzeros') &&
          parts.columns('scales') !== undefined &&
          parts.columns('qweight') === parts.columns('scales'))),
    advice: converter,
  },
  { name: 'AWQ', matches: (parts) => parts.has('qweight', 'qzeros', 'scales') },
  { name: 'Marlin', matches: (parts) => parts.has('B', 's') },
  { name: 'EETQ', matches: (parts) => parts.has('weight_scales') || parts.has('qweight', 'weight_scales') },
  { name: 'compressed-tensors NVFP4', matches: (parts) => parts.has('weight_packed', 'weight_global_scale') },
  {
    name: 'compressed-tensors packed integers',
    matches: (parts) => parts.has('weight_packed', 'weight_shape'),
    advice: converter,
  },
  { name: 'compressed-tensors MXFP4', matches: (parts) => parts.has('weight_packed') },
  { name: 'ModelOpt NVFP4', matches: (parts) => parts.has('weight', 'weight_scale', 'weight_scale_2') },
  {
    name: 'FP8 with scales of blocks',
    matches: (parts) => parts.has('weight_scale_inv'),
    advice: converter,
  },
  {
    name: 'FP8 with scales',
    matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'F8_E4M3', 'F8_E5M2'),
    advice: converter,
  },
  { name: 'INT8 with scales', matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'I8') },
  { name: 'BitNet', matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'U8') },
  { name: 'MXFP4', matches: (parts) => parts.has('_blocks', '_scales'), advice: converter },
  { name: 'TorchAO', matches: (parts) => parts.has('_weight_qdata', '_weight_scale') },
  {
    name: 'MLX',
    matches: (parts) => parts.has('scales') && parts.is('weight', 'U32'),
    advice: '"mlx_lm.convert --dequantize" gives plain weights',
  },
  { name: 'HQQ', matches: (parts) => parts.has('W_q') },
  { name: 'optimum-quanto', matches: (parts) => parts.has('weight._data', 'weight._scale') },
  { name: 'ExLlamaV2', matches: (parts) => parts.has('q_weight', 'q_scale') },
  { name: 'ExLlamaV3', matches: (parts) => parts.has('trellis') },
  { name: 'AQLM', matches: (parts) => parts.has('codebooks', 'codes') },
  { name: 'VPTQ', matches: (parts) => parts.has('centroids.weight', 'indices') },
];

/** What the rules look at, longer ends first: a module's name, then the part's. */
const ends =
  /^(.*?)(?:\.(weight\.quant_state\.bitsandbytes__(?:nf4|fp4)|weight\.(?:absmax|quant_map|_data|_scale)|centroids\.weight|SCB|qweight|qzeros|scales|g_idx|B|s|weight_(?:packed|shape|scale|scales|global_scale|scale_2|scale_inv)|_weight_(?:qdata|scale)|W_q|q_weight|q_scale|trellis|codebooks|codes|indices|weight)|(_blocks|_scales))$/;

/**
 * The layout that a quantizing library stored weights in, decided from the tensors: config.json may be outdated or silent.
 * Where there are several, the one of most matrices.
 */
export function quantizedLayoutOf(tensors: readonly TensorDescriptor[]): QuantizedLayout | undefined {
  const modules = new Map<string, Parts>();
  for (const tensor of tensors) {
    const [, module = '', end, experts] = ends.exec(tensor.name) ?? [];
    const part = end ?? experts;
    if (part === undefined) continue;
    const parts = modules.get(module) ?? new Parts();
    parts.add(part, tensor);
    modules.set(module, parts);
  }
  const counts = new Map<LayoutRule, number>();
  for (const parts of modules.values()) {
    const rule = rules.find(({ matches }) => matches(parts));
    if (rule) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  if (!most) return undefined;
  const [{ name, advice }, count] = most;
  return { name, tensors: count, ...(advice === undefined ? {} : { advice }) };
}

/** What the user should know about the layout, or about a configuration that names one that is not present. */
export function layoutNotes(
  layout: QuantizedLayout | undefined,
  config: Readonly<Record<string, unknown>> | undefined,
  isComplete: boolean,
): string[] {
  if (layout) {
    const matrices = layout.tensors === 1 ? 'One matrix is' : `${layout.tensors} matrices are`;
    return [`${matrices} stored quantized, in the layout ${layout.name}: their codes and scales are shown.`];
  }
  const stated = config?.['quantization_config'] ?? config?.['compression_config'];
  if (!isRecord(stated) || !isComplete) return [];
  const method = stated['quant_method'] ?? stated['format'];
  const named = typeof method === 'string' ? ` (${method})` : '';
  return [`config.json names a quantization${named}, but all weights are plain: it is ignored.`];
}
