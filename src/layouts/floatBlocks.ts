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
import { lowNibbleFirst, modulesOf, PartReader } from './parts';

/**
 * 4-bit floats (E2M1, two to a byte, the low nibble first) with one scale for each block of a row.
 * - compressed-tensors NVFP4: `weight_packed` U8 [out, in/2], `weight_scale` F8_E4M3 [out, in/16], `weight_global_scale` F32 [1];
 *   w = code · (scale / global scale).
 * - compressed-tensors MXFP4: `weight_packed` U8 [out, in/2], `weight_scale` U8 [out, in/32], E8M0.
 * - gpt-oss MXFP4: `NAME_blocks` U8 [experts, out, in/32, 16], `NAME_scales` U8 [experts, out, in/32], E8M0. transformers keeps these
 *   weights transposed, `[experts, in, out]`; here rows are outputs, as everywhere.
 * @see OCP Microscaling Formats (MX) 1.0
 */
export const floatBlocks: Layout = {
  id: 'float-blocks',
  find,
  codes,
  decoder: decoderOf(codes),
  writers: floatBlocksWriters,
};

const ends = ['weight_packed', 'weight_scale', 'weight_global_scale', 'input_global_scale'] as const;

function find({ tensors, config }: StoredContent): Found {
  const weights = [...modulesOf(tensors, ends)].flatMap(([module, parts]) => {
    const [packed, scales, global] = ends.map((end) => parts.get(end));
    if (packed?.dtype !== 'U8' || packed.shape.length !== 2 || !scales) return [];
    const [out, half] = packed.shape as readonly [number, number];
    const shape = [out, 2 * half];
    const isNv = global?.dtype === 'F32' && scales.dtype === 'F8_E4M3';
    if (scales.shape[0] !== out || scales.shape[1] !== shape[1]! / (isNv ? 16 : 32)) return [];
    if (!isNv && scales.dtype !== 'U8' && scales.dtype !== 'F8_E8M0') return [];
    const present = [
      ['codes', packed],
      ['scales', scales],
      ...(isNv ? [['global', global] as const] : []),
    ] as const;
    const described = { name: `${module}.weight`, dtype: isNv ? 'NVFP4 blocks' : 'MXFP4 blocks', shape };
    const weight = storedWeight(floatBlocks.id, described, present, { rounding: modelDtype(config) });
    return weight ? [{ weight, parts: [...parts.values()] }] : [];
  });
  return { weights: [...weights, ...experts(tensors)], warnings: [] };
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
    const weight = storedWeight(floatBlocks.id, { name, dtype: 'MXFP4 blocks', shape }, parts);
    return weight ? [{ weight, parts: [codes, scales] }] : [];
  });
}

function codes(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const { columns } = matrixOf(weight.shape);
  const isNv = parts.has('global');
  const block = isNv ? 16 : 32;
  const count = columns / block;
  const grid: Grid = {
    levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' },
    group: block,
    rule: { kind: 'absmax', divisor: 6 },
    scale: isNv ? 'F8_E4M3' : 'F8_E8M0',
    ...(isNv ? { global: 'divisor' as const } : {}),
  };
  let global: Promise<Float32Array> | undefined;
  return {
    grid,
    rowStep: 1,
    async read(row, rows, signal) {
      const bytes = await parts.bytes('codes', (row * columns) / 2, (rows * columns) / 2, signal);
      if (isNv) global ??= parts.floats('global', 0, 1);
      const [globalScale] = (await global) ?? [];
      return {
        ...{ grid, rows, columns },
        codes: lowNibbleFirst(bytes),
        scales: await parts.scales('scales', row * count, rows * count, signal),
        ...(globalScale === undefined ? {} : { globalScale }),
      };
    },
  };
}
