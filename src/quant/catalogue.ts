import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import type { FormatDescription } from '../protocol/formats';
import { ggmlFormats } from '../protocol/ggmlTypes';
import type { Grid, GroupShape, Levels } from '../protocol/grids';
import { said } from '../protocol/said';
import type { QuantFormat } from './format';
import { beginsLikeGrid, parseGridName, spelledGridName } from './grids/gridName';
import { largestLevel } from './grids/levels';
import { e4m3, e5m2, onnxInt8 } from './grids/libraries';
import { refuseGrid, schemeFormat, type SchemeEntry } from './schemeFormat';

const gguf = ({ name, encoding }: (typeof ggmlFormats)[number]): SchemeEntry => ({
  ...(encoding.importance === 'required' ? { needsImportance: true } : {}),
  id: name,
  label: `GGUF ${name}`,
  family: 'gguf',
  description: encoding.description,
  scheme: { kind: 'ggml', type: name },
});

/** Between the extremes, of which the lower one is stored. */
const minMax = (bits: number, group: GroupShape): Grid => ({
  levels: { kind: 'integer', bits, signed: false },
  group,
  rule: { kind: 'range', widened: false },
  scale: 'F32',
  zero: 'minimum',
});

const int4InBlocks: Grid = {
  levels: { kind: 'integer', bits: 4, signed: true, narrow: true },
  group: 32,
  rule: { kind: 'absmax', divisor: 7 },
  scale: 'F32',
};

const nf4InRows: Grid = {
  levels: { kind: 'table', table: 'nf4' },
  group: 64,
  rule: { kind: 'absmax', divisor: 1 },
  scale: 'F32',
};

/** As TorchAO's float8. */
const float8 = (levels: Levels, group: GroupShape): Grid => ({
  levels,
  group,
  rule: { kind: 'absmax', divisor: largestLevel(levels) },
  scale: 'F32',
});

const digits = {
  e4m3: said`4 exponent and 3 mantissa bits`,
  e5m2: said`5 exponent and 2 mantissa bits`,
} as const;

const fp8 = (variant: 'e4m3' | 'e5m2', group: 'tensor' | 'row'): SchemeEntry => ({
  id: `fp8-${variant}${group === 'row' ? '-row' : ''}`,
  label: {
    tensor: said`FP8 ${variant.toUpperCase()} per tensor`,
    row: said`FP8 ${variant.toUpperCase()} per row`,
  }[group],
  family: 'float',
  description: {
    tensor: said`${digits[variant]}, one float32 scale per tensor, saturating.`,
    row: said`${digits[variant]}, one float32 scale per row, saturating.`,
  }[group],
  scheme: { kind: 'grid', grid: float8(variant === 'e4m3' ? e4m3 : e5m2, group) },
});

/** All formats of lists, in the order in which these show them, GGUF types by size. Adding a row, here or to `ggmlTypes`, adds a format. */
export const formats: readonly QuantFormat[] = [
  ...ggmlFormats.map(gguf),
  {
    id: 'nf4',
    label: said`NF4, block 64`,
    family: 'bitsandbytes',
    description: said`NormalFloat4 (QLoRA): quantiles of a normal distribution, one float32 absmax per block of 64 in a row.`,
    scheme: { kind: 'grid', grid: nf4InRows },
  },
  {
    id: 'block-int4-sym',
    label: said`int4 symmetric, block 32`,
    family: 'integer',
    description: said`Codes −7 to 7, one float32 scale max|x|/7 per block of 32.`,
    scheme: { kind: 'grid', grid: int4InBlocks },
  },
  {
    id: 'block-int4-asym',
    label: said`int4 asymmetric, block 32`,
    family: 'integer',
    description: said`Codes 0 to 15 between the extremes of each block of 32; float32 step and minimum.`,
    scheme: { kind: 'grid', grid: minMax(4, 32) },
  },
  {
    id: 'minmax-int4',
    label: said`4-bit min–max`,
    family: 'integer',
    description: said`Δ = range/15 over the whole tensor, clipped to the range.`,
    scheme: { kind: 'grid', grid: minMax(4, 'tensor') },
  },
  fp8('e4m3', 'tensor'),
  fp8('e5m2', 'tensor'),
  fp8('e4m3', 'row'),
  fp8('e5m2', 'row'),
  {
    id: 'rowwise-int8',
    label: said`int8 absmax per row`,
    family: 'integer',
    description: said`Codes −127 to 127, one float32 scale max|x|/127 per row.`,
    scheme: { kind: 'grid', grid: onnxInt8('row', true) },
  },
  {
    id: 'absmax-int8',
    label: said`int8 absmax`,
    family: 'integer',
    description: said`q = round(x / s), one scale s = max|x|/127 for the tensor.`,
    scheme: { kind: 'grid', grid: onnxInt8('tensor', true) },
  },
  {
    id: 'zeropoint-int8',
    label: said`int8 zero-point`,
    family: 'integer',
    description: said`Codes 0 to 255, scale (max − min)/255 and zero point −round(min / scale) for the tensor; its range includes 0.`,
    scheme: { kind: 'grid', grid: onnxInt8('tensor', false) },
  },
  {
    id: 'minmax-int8',
    label: said`8-bit min–max`,
    family: 'integer',
    description: said`Δ = range/255 over the whole tensor, clipped to the range.`,
    scheme: { kind: 'grid', grid: minMax(8, 'tensor') },
  },
].map((entry) => schemeFormat(entry as SchemeEntry));

const byId = new Map(formats.map((format) => [format.id.toLowerCase(), format]));

/** Formats of grids that were asked for, by their spelled names, so that the same grid is the same format. */
const ofGrids = new Map<string, QuantFormat>();

/** A format of the catalogue or of a grid, or why there is none, as sentences. */
function lookUp(id: string): QuantFormat | string {
  const known = byId.get(id.toLowerCase());
  if (known) return known;
  const grid = parseGridName(id);
  if (typeof grid === 'object') return gridFormat(id, grid);
  if (beginsLikeGrid(id)) return grid;
  const ids = formats.map((item) => item.id);
  return said`There is no format "${id}".${suggestion(id, ids)} The formats are: ${ids.join(', ')}, and grids by their names, such as int4-g128 or e3m4-row.`;
}

function gridFormat(name: string, grid: Grid): QuantFormat | string {
  const problem = refuseGrid(grid);
  if (problem !== undefined)
    return said`The grid ${name} ${problem}: it is not a format, but methods quantize layers and models to it.`;
  const id = spelledGridName(grid);
  const known = ofGrids.get(id);
  if (known) return known;
  const { levels, scale } = grid;
  const family = ({ integer: 'integer', float: 'float', table: 'bitsandbytes' } as const)[levels.kind];
  const description = said`The grid ${id}: rounded to nearest, scales in ${scale.replace('F8_', '')}.`;
  const format = schemeFormat({ id, label: id, family, description, scheme: { kind: 'grid', grid } });
  ofGrids.set(id, format);
  return format;
}

/** A format by its id or the name of a grid, whatever the case; undefined when there is none. */
export function findFormat(id: string): QuantFormat | undefined {
  const found = lookUp(id);
  return typeof found === 'object' ? found : undefined;
}

/** Whether a kept result states exactly the id of a format. */
export const isFormatId = (value: unknown): value is string =>
  typeof value === 'string' && findFormat(value)?.id === value;

/**
 * A format by its id or the name of a grid, whatever the case.
 * @throws QuantscopeError REQUEST when there is none: what is wrong with the name of a grid, or which formats there are.
 */
export function formatById(id: string): QuantFormat {
  const found = lookUp(id);
  if (typeof found === 'object') return found;
  throw new QuantscopeError('REQUEST', found);
}

/** The catalogue as plain data, for lists and menus. */
export function describeFormats(): FormatDescription[] {
  return formats.map(({ id, label, family, description, scheme, rowMultiple, nominalBitsPerWeight }) => ({
    ...{ id, label, family, description, scheme, rowMultiple, nominalBitsPerWeight },
  }));
}
