import { literalPattern } from '../model/literalPattern';
import type { QuantizedRows } from '../quant/quantized';
import type { LayoutWriter, StoredTensor, WrittenModel, WrittenWeight } from './layout';
import {
  bytesOf,
  fieldsOf,
  groupSize,
  hasOutput,
  integerBits,
  isSymmetric,
  moduleOf,
  mostFrequent,
  outputModule,
  packLines,
  partOf,
  refuseGroups,
  scaleBytes,
  statedGroup,
  transposeInto,
  withRows,
  zeroFields,
  type WritePart,
  packedSizes,
  type PackedSizes,
} from './writing';
import { said } from '../protocol/said';

/**
 * Writes what `gptq.ts` reads. Rows are outputs, but files hold columns of packed inputs: the packed matrix is held in memory (b/8 bytes for
 * each weight), with scales and zero points.
 */
export function gptqWriter(version: 'v1' | 'v2'): LayoutWriter {
  const isV2 = version === 'v2';
  return {
    id: isV2 ? 'gptq-v2' : 'gptq',
    label: isV2 ? 'GPTQ v2' : 'GPTQ',
    runtimes: isV2 ? ['transformers', 'vLLM', 'SGLang'] : ['transformers', 'vLLM', 'SGLang', 'TGI'],
    ...{ holds: true, decodes: { to: 'model', scales: true } },
    refuse,
    parts,
    encode: (weight, slabs, write) => encode(weight, slabs, write, version),
    config: (model) => config(model, isV2 ? 'gptq_v2' : 'gptq'),
    files: (model) => ({ 'quantize_config.json': config(model, isV2 ? 'gptq_v2' : 'gptq') }),
  };
}

function refuse(weight: WrittenWeight): string | undefined {
  const { grid, shape } = weight;
  const bits = integerBits(grid);
  if (bits === undefined || ![2, 3, 4, 8].includes(bits)) return said`GPTQ has integers of 2, 3, 4 or 8 bits`;
  if (grid.zero !== 'integer' && !isSymmetric(grid))
    return said`GPTQ has integer zero points, or signed codes without`;
  if (grid.scale !== 'F16') return said`GPTQ has scales of the dtype F16`;
  const [out = 0, columns = 0] = shape;
  const inWord = bits === 3 ? 32 : 32 / bits;
  if (out % inWord !== 0 || columns % inWord !== 0)
    return said`${bits} bits need dimensions that are multiples of ${inWord}, not ${out} × ${columns}`;
  return refuseGroups(weight, 'groups');
}

function parts(weight: WrittenWeight): readonly StoredTensor[] {
  const { out, columns, groups, words, zeroWords } = packedSizes(weight);
  return [
    partOf(weight, 'qweight', 'I32', [words, out]),
    partOf(weight, 'qzeros', 'I32', [groups, zeroWords]),
    partOf(weight, 'scales', 'F16', [groups, out]),
    partOf(weight, 'g_idx', 'I32', [columns]),
  ];
}

async function encode(
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
  version: 'v1' | 'v2',
): Promise<void> {
  const { out, columns, bits, groups, words, zeroWords } = packedSizes(weight);
  const codes = new Uint32Array(words * out);
  const scales = new Float32Array(groups * out);
  const zeros = new Uint8Array(groups * out);
  const size = groupSize(weight);
  let order = Int32Array.from({ length: columns }, (_, column) => Math.floor(column / size));
  let row = 0;
  for await (const slab of slabs) {
    packLines(fieldsOf(slab), columns, bits, { words: codes, perLine: 1, perWord: out }, row);
    transposeInto(scales, out, slab.scales, slab.rows, row);
    transposeInto(zeros, out, zeroFields(slab), slab.rows, row);
    if (slab.groupOfColumn) order = slab.groupOfColumn.slice();
    row += slab.rows;
  }
  await write(0, bytesOf(codes));
  await write(1, bytesOf(packedZeros(zeros, { out, bits, zeroWords }, version)));
  await write(2, await scaleBytes(scales, 'F16'));
  await write(3, bytesOf(order));
}

/**
 * Version 1 stores zero points less 1. GPTQModel subtracts from whole words, so that a zero point of 0 borrows from the next field; it adds
 * in the same way when it loads them. Fields of 3 bits straddle words and are converted one by one.
 */
function packedZeros(
  zeros: Uint8Array,
  { out, bits, zeroWords }: Pick<PackedSizes, 'out' | 'bits' | 'zeroWords'>,
  version: 'v1' | 'v2',
): Uint32Array {
  const mask = 2 ** bits - 1;
  const words = new Uint32Array((zeros.length / out) * zeroWords);
  const byField = version === 'v1' && bits === 3;
  const fields = byField ? zeros.map((zero) => (zero - 1) & mask) : zeros;
  packLines(fields, out, bits, { words, perLine: zeroWords, perWord: 1 });
  return version === 'v1' && !byField ? words.map((word) => word - (2 ** 32 - 1) / mask) : words;
}

/** What `quantization_config` says once for all modules, or for one of them. */
interface Settings {
  readonly bits: number;
  readonly group_size: number;
  readonly sym: boolean;
}

const settingsOf = (weight: WrittenWeight): Settings => ({
  bits: integerBits(weight.grid)!,
  group_size: statedGroup(weight),
  sym: isSymmetric(weight.grid),
});

function config(described: WrittenModel, format: 'gptq' | 'gptq_v2'): Record<string, unknown> {
  const model = withRows(described);
  const { weights, recipe } = model;
  const most = mostFrequent(weights.map(settingsOf), (settings) => JSON.stringify(settings));
  const options = recipe.rules.find(({ method }) => method?.id === 'gptq')?.method?.options ?? {};
  const dynamic = most ? exceptions(model, most) : {};
  return {
    bits: most?.bits ?? 4,
    checkpoint_format: format,
    desc_act: weights.some(({ permuted }) => permuted),
    ...(Object.keys(dynamic).length > 0 ? { dynamic } : {}),
    format,
    group_size: most?.group_size ?? 128,
    lm_head: hasOutput(model),
    meta: { quantizer: ['quantscope'], ...options },
    method: 'gptq',
    pack_dtype: 'int32',
    quant_method: 'gptq',
    sym: most?.sym ?? true,
  };
}

/** Modules that differ from the rest, by regular expressions of their names: GPTQModel's `dynamic`. */
function exceptions({ weights, kept }: WrittenModel, most: Settings): Record<string, object> {
  const pattern = (module: string): string => `^${literalPattern(module)}$`;
  const others = weights.flatMap((weight): [string, object][] => {
    const entries = Object.entries(settingsOf(weight)).filter(
      ([key, value]) => most[key as keyof Settings] !== value,
    );
    return entries.length > 0 ? [[`+:${pattern(moduleOf(weight))}`, Object.fromEntries(entries)]] : [];
  });
  const left = kept.filter((module) => module !== outputModule);
  return Object.fromEntries([...others, ...left.map((module) => [`-:${pattern(module)}`, {}] as const)]);
}
