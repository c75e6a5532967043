import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import type { FormatDescription } from '../protocol/formats';
import { ggmlFormats } from '../protocol/ggmlTypes';
import type { QuantFormat } from './format';
import { schemeFormat, type SchemeEntry } from './schemeFormat';

const gguf = ({ name, encoding }: (typeof ggmlFormats)[number]): SchemeEntry => ({
  ...(encoding.importance === 'required' ? { needsImportance: true } : {}),
  id: name,
  label: `GGUF ${name}`,
  family: 'gguf',
  description: encoding.description,
  scheme: { kind: 'ggml', type: name },
});

const fp8 = (variant: 'e4m3' | 'e5m2', group: 'tensor' | 'row'): SchemeEntry => ({
  id: `fp8-${variant}${group === 'row' ? '-row' : ''}`,
  label: `FP8 ${variant.toUpperCase()} per ${group}`,
  family: 'fp8',
  description: `${variant === 'e4m3' ? '4 exponent and 3 mantissa' : '5 exponent and 2 mantissa'} bits, one float32 scale per ${group}, saturating.`,
  scheme: { kind: 'fp8', variant, group },
});

/** All formats, in the order in which lists show them, GGUF types by size. Adding a row, here or to `ggmlTypes`, adds a format. */
export const formats: readonly QuantFormat[] = [
  ...ggmlFormats.map(gguf),
  {
    id: 'nf4',
    label: 'NF4, block 64',
    family: 'bitsandbytes',
    description:
      'NormalFloat4 (QLoRA): quantiles of a normal distribution, one float32 absmax per block of 64.',
    scheme: { kind: 'nf4', block: 64 },
  },
  {
    id: 'block-int4-sym',
    label: 'int4 symmetric, block 32',
    family: 'integer',
    description: 'Codes −7 to 7, one float32 scale per block of 32.',
    scheme: { kind: 'affine', rule: 'absmax', bits: 4, group: 32 },
  },
  {
    id: 'block-int4-asym',
    label: 'int4 asymmetric, block 32',
    family: 'integer',
    description: 'Codes 0 to 15 between the extremes of each block of 32; float32 step and minimum.',
    scheme: { kind: 'affine', rule: 'min-max', bits: 4, group: 32 },
  },
  {
    id: 'minmax-int4',
    label: '4-bit min–max',
    family: 'integer',
    description: 'Δ = range/15 over the whole tensor, clipped to the range.',
    scheme: { kind: 'affine', rule: 'min-max', bits: 4, group: 'tensor' },
  },
  fp8('e4m3', 'tensor'),
  fp8('e5m2', 'tensor'),
  fp8('e4m3', 'row'),
  fp8('e5m2', 'row'),
  {
    id: 'rowwise-int8',
    label: 'int8 row-wise (LLM.int8)',
    family: 'integer',
    description: 'absmax int8 with one float32 scale 127/max|x| per row.',
    scheme: { kind: 'affine', rule: 'absmax', bits: 8, group: 'row' },
  },
  {
    id: 'absmax-int8',
    label: 'int8 absmax',
    family: 'integer',
    description: 'q = round(x · 127/max|x|), one scale for the tensor.',
    scheme: { kind: 'affine', rule: 'absmax', bits: 8, group: 'tensor' },
  },
  {
    id: 'zeropoint-int8',
    label: 'int8 zero-point',
    family: 'integer',
    description: 'Scale 255/(max − min) and zero point −round(scale · min) − 128 for the tensor.',
    scheme: { kind: 'affine', rule: 'zero-point', bits: 8, group: 'tensor' },
  },
  {
    id: 'minmax-int8',
    label: '8-bit min–max',
    family: 'integer',
    description: 'Δ = range/255 over the whole tensor, clipped to the range.',
    scheme: { kind: 'affine', rule: 'min-max', bits: 8, group: 'tensor' },
  },
].map((entry) => schemeFormat(entry as SchemeEntry));

const byId = new Map(formats.map((format) => [format.id.toLowerCase(), format]));

/**
 * A format by its id, whatever the case.
 * @throws QuantscopeError REQUEST listing the ids when there is none.
 */
export function formatById(id: string): QuantFormat {
  const format = byId.get(id.toLowerCase());
  if (format) return format;
  const ids = formats.map((item) => item.id);
  const message = `There is no format "${id}".${suggestion(id, ids)} The formats are: ${ids.join(', ')}.`;
  throw new QuantscopeError('REQUEST', message);
}

/** The catalogue as plain data, for lists and menus. */
export function describeFormats(): FormatDescription[] {
  return formats.map(({ id, label, family, description, scheme, rowMultiple, nominalBitsPerWeight }) => ({
    ...{ id, label, family, description, scheme, rowMultiple, nominalBitsPerWeight },
  }));
}
