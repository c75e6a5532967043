import type { QuantizedLayout, TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import { isRecord } from './json';
import { lastPartsOf } from './lastParts';

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
  /** What a matrix must have to be decoded, where `layouts/` has a decoder. */
  readonly expected?: string;
  /** How to get plain weights, where a way is known. */
  readonly advice?: string;
}

const bitsandbytes = "transformers' model.dequantize() gives plain weights";
const fourBit =
  'weight (codes), weight.absmax, weight.quant_map F32 [16] and a description of their shape and block size';
const converter = "llama.cpp's convert_hf_to_gguf.py decodes it";

/** Layouts by the parts that their libraries write, the more specific first. */
const rules: readonly LayoutRule[] = [
  {
    name: 'bitsandbytes NF4',
    matches: (parts) => parts.has('weight.quant_state.bitsandbytes__nf4'),
    expected: fourBit,
    advice: bitsandbytes,
  },
  {
    name: 'bitsandbytes FP4',
    matches: (parts) => parts.has('weight.quant_state.bitsandbytes__fp4'),
    expected: fourBit,
    advice: bitsandbytes,
  },
  {
    name: 'bitsandbytes 4-bit',
    matches: (parts) => parts.has('weight.absmax', 'weight.quant_map'),
    expected: fourBit,
    advice: bitsandbytes,
  },
  {
    name: 'bitsandbytes LLM.int8',
    matches: (parts) => parts.has('SCB'),
    expected: 'weight I8 [out, in] and SCB F32 [out]',
    advice: bitsandbytes,
  },
  {
    name: 'GPTQ', // where a shard is missing only g_idx tells it from AWQ
    matches: (parts) =>
      parts.has('qweight', 'scales') &&
      (parts.has('g_idx') ||
        (parts.has('qzeros') &&
          parts.columns('scales') !== undefined &&
          parts.columns('qweight') === parts.columns('scales'))),
    expected:
      'qweight I32 [in·bits/32, out], qzeros I32 [groups, out·bits/32], scales [groups, out], of 2, 3, 4 or 8 bits, and g_idx or bits in config.json',
    advice: converter,
  },
  {
    name: 'AWQ',
    matches: (parts) => parts.has('qweight', 'qzeros', 'scales'),
    expected: 'the GEMM version: qweight I32 [in, out/8], qzeros I32 [groups, out/8], scales [groups, out]',
  },
  {
    name: 'Marlin',
    matches: (parts) => parts.has('B', 's'),
    expected: 'B I32 [in/16, 2·out] and s F16 [groups, out]',
  },
  {
    name: 'EETQ',
    matches: (parts) => parts.has('weight_scales') || parts.has('qweight', 'weight_scales'),
    expected: 'weight I8 [in, out], 64 dividing in, and weight_scales F16 [out]',
  },
  {
    name: 'compressed-tensors NVFP4',
    matches: (parts) => parts.has('weight_packed', 'weight_global_scale'),
    expected: 'weight_packed U8 [out, in/2], weight_scale F8_E4M3 [out, in/16], weight_global_scale F32',
  },
  {
    name: 'compressed-tensors packed integers',
    matches: (parts) => parts.has('weight_packed', 'weight_shape'),
    expected: 'weight_packed I32 [out, ⌈in·bits/32⌉], weight_scale [out, groups], weight_shape I64 [2]',
    advice: converter,
  },
  {
    name: 'compressed-tensors MXFP4',
    matches: (parts) => parts.has('weight_packed'),
    expected: 'weight_packed U8 [out, in/2] and weight_scale U8 [out, in/32]',
  },
  {
    name: 'ModelOpt NVFP4',
    matches: (parts) => parts.has('weight', 'weight_scale', 'weight_scale_2'),
    expected:
      'weight U8 [out, in/2], weight_scale F8_E4M3 [out, in/16] and weight_scale_2 F32, and no pre_quant_scale',
    advice: converter,
  },
  {
    name: 'FP8 with scales of blocks',
    matches: (parts) => parts.has('weight_scale_inv'),
    expected: 'weight F8_E4M3 [out, in] and weight_scale_inv of blocks that config.json states',
    advice: converter,
  },
  {
    name: 'FP8 with scales',
    matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'F8_E4M3', 'F8_E5M2'),
    expected: 'weight [out, in] and weight_scale of the tensor, of rows, of groups or of blocks',
    advice: converter,
  },
  {
    name: 'INT8 with scales',
    matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'I8'),
    expected: 'weight I8 [out, in] and weight_scale of the tensor, of rows, of groups or of blocks',
  },
  { name: 'BitNet', matches: (parts) => parts.has('weight_scale') && parts.is('weight', 'U8') },
  {
    name: 'MXFP4',
    matches: (parts) => parts.has('_blocks', '_scales'),
    expected: '_blocks U8 […, in/32, 16] and _scales U8 […, in/32]',
    advice: converter,
  },
  {
    name: 'TorchAO',
    matches: (parts) => parts.has('_weight_qdata', '_weight_scale'),
    expected: '_weight_qdata I8 or F8 [out, in], one code in each byte, and _weight_scale [out, groups]',
  },
  {
    name: 'MLX',
    matches: (parts) => parts.has('scales') && parts.is('weight', 'U32'),
    advice: '"mlx_lm.convert --dequantize" gives plain weights',
  },
  {
    name: 'HQQ',
    matches: (parts) => parts.has('W_q'),
    expected: 'W_q, scale and zero with one number for each group, shape, nbits and axis',
  },
  {
    name: 'optimum-quanto int4 or int2',
    matches: (parts) => parts.has('weight._data._data', 'weight._shift'),
    expected:
      'the shape of each weight and the size of its groups, which the library does not write to the file',
    advice: "optimum-quanto's dequantize() gives plain weights",
  },
  {
    name: 'optimum-quanto',
    matches: (parts) => parts.has('weight._data', 'weight._scale'),
    expected: 'weight._data I8 or F8 [out, in] and weight._scale [out, 1]',
  },
  { name: 'ExLlamaV2', matches: (parts) => parts.has('q_weight', 'q_scale') },
  { name: 'ExLlamaV3', matches: (parts) => parts.has('trellis') },
  { name: 'AQLM', matches: (parts) => parts.has('codebooks', 'codes') },
  { name: 'VPTQ', matches: (parts) => parts.has('centroids.weight', 'indices') },
];

/** What the rules look at, longer ends first: a module's name, then the part's. */
const ends =
  /^(.*?)(?:\.(weight\.quant_state\.bitsandbytes__(?:nf4|fp4)|weight\.(?:absmax|quant_map|_data\._data|_data|_scale|_shift)|centroids\.weight|SCB|qweight|qzeros|scales|g_idx|B|s|weight_(?:packed|shape|scale|scales|global_scale|scale_2|scale_inv)|_weight_(?:qdata|scale)|W_q|q_weight|q_scale|trellis|codebooks|codes|indices|weight)|(_blocks|_scales))$/;

/** Last parts of names of which each rule needs one: `weight` alone is no layout. */
const marks =
  /^(bitsandbytes__(nf4|fp4)|absmax|quant_map|_data|_scale|_shift|SCB|qweight|qzeros|scales|g_idx|B|s|weight_(packed|shape|scale|scales|global_scale|scale_2|scale_inv)|_weight_(qdata|scale)|W_q|q_weight|q_scale|trellis|codebooks|codes|indices)$|_blocks$|_scales$/;

/**
 * The layout that a quantizing library stored weights in, decided from the tensors: config.json may be outdated or silent.
 * Where there are several, the one of most matrices. Where none is known, matrices of integers count if a configuration names a quantization.
 */
export function quantizedLayoutOf(
  model: { readonly tensors: readonly TensorDescriptor[] },
  config?: Readonly<Record<string, unknown>>,
): QuantizedLayout | undefined {
  if (![...lastPartsOf(model)].some((part) => marks.test(part)))
    return isRecord(statedBy(config)) ? unknownLayoutOf(model.tensors) : undefined;
  const { tensors } = model;
  const modules = new Map<string, Parts>();
  for (const tensor of tensors) {
    const [, module = '', end, experts] = ends.exec(tensor.name) ?? [];
    const part = end ?? experts;
    if (part === undefined) continue;
    const parts = modules.get(module) ?? new Parts();
    parts.add(part, tensor);
    modules.set(module, parts);
  }
  const found = new Map<LayoutRule, string[]>();
  for (const [module, parts] of modules) {
    const rule = rules.find(({ matches }) => matches(parts));
    if (rule) found.set(rule, [...(found.get(rule) ?? []), module]);
  }
  const [most] = [...found].sort(([, a], [, b]) => b.length - a.length);
  if (!most) return isRecord(statedBy(config)) ? unknownLayoutOf(tensors) : undefined;
  const [{ name, advice, expected }, names] = most;
  return {
    ...{ name, tensors: names.length, example: exampleOf(names[0]!, tensors) },
    ...(expected === undefined ? {} : { expected }),
    ...(advice === undefined ? {} : { advice }),
  };
}

/** Integers that codes are packed into. */
const packed = /^[IU](8|16|32)$/;

/** Integers of models that are not quantized: masks and positions. */
const buffers = /(^|[._])(bias|mask|position_ids|position_index)$/;

/** Modules with matrices of integers and no matrix of floats, whatever their tensors are called. */
function unknownLayoutOf(tensors: readonly TensorDescriptor[]): QuantizedLayout | undefined {
  const modules = new Map<string, TensorDescriptor[]>();
  for (const tensor of tensors) {
    const module = tensor.name.replace(/\.[^.]*$/, '');
    modules.set(module, [...(modules.get(module) ?? []), tensor]);
  }
  const isCodes = ({ name, dtype, shape }: TensorDescriptor): boolean =>
    packed.test(dtype) && shape.length > 1 && !buffers.test(name);
  const isPlain = ({ name, dtype }: TensorDescriptor): boolean =>
    name.endsWith('.weight') && !packed.test(dtype);
  const names = [...modules].flatMap(([module, own]) =>
    own.some(isCodes) && !own.some(isPlain) ? [module] : [],
  );
  if (names.length === 0) return undefined;
  return {
    ...{ name: 'unknown', tensors: names.length, example: exampleOf(names[0]!, tensors) },
    expected: 'the tensors of a layout that is known (docs/LAYOUTS.md)',
  };
}

/** What a configuration says of quantization. */
const statedBy = (config: Readonly<Record<string, unknown>> | undefined): unknown =>
  config?.['quantization_config'] ?? config?.['compression_config'];

/** The tensors of a module, as a list. */
function exampleOf(module: string, tensors: readonly TensorDescriptor[]): string {
  const own = tensors.filter(
    ({ name }) => name.startsWith(`${module}.`) || name === `${module}_blocks` || name === `${module}_scales`,
  );
  return own.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`).join('; ');
}

/** The method that a configuration names, in brackets. */
function methodNamed(stated: Readonly<Record<string, unknown>>): string {
  const method = stated['quant_method'] ?? stated['format'];
  return typeof method === 'string' ? ` (${method})` : '';
}

/** What the user should know about the layout, or about a configuration that names one that is not present. */
export function layoutNotes(
  layout: QuantizedLayout | undefined,
  config: Readonly<Record<string, unknown>> | undefined,
  isComplete: boolean,
): string[] {
  if (layout) {
    const matrices =
      layout.tensors === 1 ? 'One matrix is' : `${plural(layout.tensors, 'matrix', 'matrices')} are`;
    const missing =
      layout.expected === undefined
        ? 'The layout is not decoded.'
        : `To be decoded they would need ${layout.expected}.`;
    const stated = statedBy(config);
    const named = layout.name === 'unknown' && isRecord(stated) ? methodNamed(stated) : '';
    return [
      said`${matrices} stored quantized, in the layout ${layout.name}${named}: their codes and scales are shown. ${missing} The first one has ${layout.example}.`,
    ];
  }
  const stated = statedBy(config);
  if (!isRecord(stated) || !isComplete) return [];
  const named = methodNamed(stated);
  return [said`config.json names a quantization${named}, but all weights are plain: it is ignored.`];
}
