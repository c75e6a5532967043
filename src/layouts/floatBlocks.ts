import { matrixOf } from '../model/rows';
import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf } from './decoding';
import { floatBlocksWriters } from './floatBlocksWriter';
import {
  modelDtype,
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { lowNibbleFirst, modulesOf, once, PartReader, type ModuleParts } from './parts';

/**
 * 4-bit floats (E2M1, two to a byte, the low nibble first) with one scale for each block of a row.
 * - compressed-tensors NVFP4: `weight_packed` U8 [out, in/2], `weight_scale` F8_E4M3 [out, in/16], `weight_global_scale` F32 [1];
 *   w = code · (scale / global scale).
 * - ModelOpt NVFP4: `weight` U8 [out, in/2], `weight_scale` F8_E4M3 [out, in/16], `weight_scale_2` F32 [];
 *   w = code · (scale · scale 2). Weights whose inputs are scaled by columns too (`pre_quant_scale`, NVFP4_AWQ) are not read.
 * - compressed-tensors MXFP4: `weight_packed` U8 [out, in/2], `weight_scale` U8 [out, in/32], E8M0.
 * - gpt-oss MXFP4: `NAME_blocks` U8 [experts, out, in/32, 16], `NAME_scales` U8 [experts, out, in/32], E8M0. transformers keeps these
 *   weights transposed, `[experts, in, out]`; here rows are outputs, as everywhere.
 * @see OCP Microscaling Formats (MX) 1.0
 */
export const floatBlocks: Layout = {
  id: 'float-blocks',
  mark: /^(weight_packed|weight_scale_2)$|_blocks$/,
  find,
  codes,
  decoder: decoderOf(codes),
  blocks,
  factor,
  writers: floatBlocksWriters,
};

const ends = [
  ...['weight_packed', 'weight_scale', 'weight_global_scale', 'input_global_scale'],
  ...['weight', 'weight_scale_2', 'input_scale', 'pre_quant_scale'],
];

/** The parts of a weight by their roles, as compressed-tensors and ModelOpt call them. The global scale of NVFP4 is a divisor or a factor. */
function rolesOf(parts: ModuleParts): readonly (readonly [string, TensorDescriptor])[] {
  const isModelOpt = parts.has('weight_scale_2') && !parts.has('pre_quant_scale');
  const names = isModelOpt
    ? { codes: 'weight', scales: 'weight_scale', factor: 'weight_scale_2' }
    : { codes: 'weight_packed', scales: 'weight_scale', divisor: 'weight_global_scale' };
  return Object.entries(names).flatMap(([role, end]) => {
    const part = parts.get(end);
    return part ? [[role, part] as const] : [];
  });
}

function find({ tensors, config }: StoredContent): Found {
  const weights = [...modulesOf(tensors, ends)].flatMap(([module, parts]) => {
    const roles = rolesOf(parts);
    const [packed, scales, global] = roles.map(([, part]) => part);
    if (packed?.dtype !== 'U8' || packed.shape.length !== 2 || !scales) return [];
    const [out, half] = packed.shape as readonly [number, number];
    const shape = [out, 2 * half];
    const isNv = global?.dtype === 'F32' && global.elements === 1 && scales.dtype === 'F8_E4M3';
    if (scales.shape[0] !== out || scales.shape[1] !== shape[1]! / (isNv ? 16 : 32)) return [];
    if (!isNv && scales.dtype !== 'U8' && scales.dtype !== 'F8_E8M0') return [];
    const present = isNv ? roles : roles.slice(0, 2);
    const described = { name: `${module}.weight`, dtype: isNv ? 'NVFP4 blocks' : 'MXFP4 blocks', shape };
    const rounding = modelDtype(config);
    const weight = storedWeight(floatBlocks.id, described, present, {
      rounding,
      ...blocksOf(shape, isNv, rounding),
    });
    return weight ? [{ weight, parts: [...parts.values()] }] : [];
  });
  return { weights: [...weights, ...experts(tensors)], warnings: [] };
}

/** The type of ggml with the same codes and scales, where it has room for whole rows and decodes to the same weights. */
function blocksOf(
  [, columns = 0]: readonly number[],
  isNv: boolean,
  rounding: 'F16' | 'BF16' | undefined,
): { blocks?: 'MXFP4' | 'NVFP4'; hasFactor?: true } {
  if (isNv) return columns % nvBlock.weights === 0 ? { blocks: 'NVFP4', hasFactor: true } : {};
  // BF16 holds these floats exactly, F16 does not.
  return rounding === 'F16' ? {} : { blocks: 'MXFP4' };
}

/** The merged experts of gpt-oss. */
function experts(tensors: readonly TensorDescriptor[]): Found['weights'] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return tensors.flatMap((codes) => {
    const name = /^(.*)_blocks$/.exec(codes.name)?.[1];
    const scales = name === undefined ? undefined : byName.get(`${name}_scales`);
    if (name === undefined || codes.dtype !== 'U8' || scales?.dtype !== 'U8') return [];
    if (codes.shape.at(-1) !== 16 || String(codes.shape.slice(0, -1)) !== String(scales.shape)) return [];
    const shape = [...scales.shape.slice(0, -1), 32 * scales.shape.at(-1)!];
    const parts = [
      ['codes', codes],
      ['scales', scales],
    ] as const;
    const described = { name, dtype: 'MXFP4 blocks', shape };
    const weight = storedWeight(floatBlocks.id, described, parts, { blocks: 'MXFP4' });
    return weight ? [{ weight, parts: [codes, scales] }] : [];
  });
}

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const { columns } = matrixOf(weight.shape);
  const global = globalOf(parts);
  const block = global ? 16 : 32;
  const count = columns / block;
  const grid: Grid = {
    levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' },
    group: block,
    rule: { kind: 'absmax', divisor: 6 },
    scale: global ? 'F8_E4M3' : 'F8_E8M0',
    ...(global ? { global } : {}),
  };
  const stored = once(() => (global ? parts.floats(global, 0, 1) : Promise.resolve(undefined)));
  return {
    grid,
    rowStep: 1,
    async read(row, rows, signal) {
      const bytes = await parts.bytes('codes', (row * columns) / 2, (rows * columns) / 2, signal);
      const [globalScale] = (await stored()) ?? [];
      return {
        ...{ grid, rows, columns },
        codes: lowNibbleFirst(bytes),
        scales: await parts.scales('scales', row * count, rows * count, signal),
        ...(globalScale === undefined ? {} : { globalScale }),
      };
    },
  };
}

/** What the global scale of NVFP4 is, and the role of its part; undefined for MXFP4, which has none. */
const globalOf = (parts: PartReader): Grid['global'] =>
  (['divisor', 'factor'] as const).find((role) => parts.has(role));

/**
 * Blocks of ggml: scales, one byte each, then the codes of all groups. MXFP4 has one group of 32, NVFP4 four of 16, whose scales are unsigned
 * (E4M3 without a sign).
 */
const mxBlock = { weights: 32, groups: 1, bytes: 17 };
const nvBlock = { weights: 64, groups: 4, bytes: 36 };

/** ggml's byte i of a group holds the first and the second half's code i, where the layout's bytes hold neighbours. */
async function blocks(
  weight: StoredDescriptor,
  read: ReadPart,
  { first, count }: { readonly first: number; readonly count: number },
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const parts = new PartReader(weight, read);
  const { weights, groups, bytes } = globalOf(parts) ? nvBlock : mxBlock;
  const half = weights / groups / 2;
  const scales = await parts.bytes('scales', first * groups, count * groups, signal);
  const stored = await parts.bytes('codes', (first * weights) / 2, (count * weights) / 2, signal);
  const found = new Uint8Array(count * bytes);
  for (let group = 0; group < count * groups; group++) {
    const block = Math.floor(group / groups) * bytes;
    const within = group % groups;
    found[block + within] = groups === 1 ? scales[group]! : scales[group]! & 0x7f;
    regroup(
      stored.subarray(group * half, (group + 1) * half),
      found.subarray(block + groups + within * half),
    );
  }
  return found;
}

/** @param pairs two neighbouring codes to a byte, the first in the low nibble. */
function regroup(pairs: Uint8Array, target: Uint8Array): void {
  const half = pairs.length;
  const code = (at: number): number => (pairs[at >> 1]! >>> (4 * (at & 1))) & 15;
  for (let i = 0; i < half; i++) target[i] = code(i) | (code(half + i) << 4);
}

/** What llama.cpp multiplies products with NVFP4 by: the global scale, or its reciprocal where it is a divisor. */
async function factor(weight: StoredDescriptor, read: ReadPart, signal?: AbortSignal): Promise<number> {
  const parts = new PartReader(weight, read);
  const global = globalOf(parts)!;
  const [globalScale] = await parts.floats(global, 0, 1, signal);
  return global === 'factor' ? globalScale! : Math.fround(1 / globalScale!);
}
