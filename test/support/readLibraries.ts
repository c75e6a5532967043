import type { Grid, GroupShape, Levels } from '../../src/protocol/grids';
import { e2m1, e4m3 } from '../../src/quant/grids/libraries';

// Grids of libraries whose files are read, not written: grids can express what these gave, bit for bit.

const unsigned = (bits: number): Levels => ({ kind: 'integer', bits, signed: false });

/** TorchAO NVFP4, with one scale for the tensor on top of those of groups of 16 or without. */
export function torchaoNvfp4(levels: 'one' | 'two'): Grid {
  return {
    levels: e2m1,
    group: 16,
    rule: { kind: 'absmax', divisor: 6 },
    scale: 'F8_E4M3',
    least: { scale: 2 ** -6 },
    ...(levels === 'two' ? { global: 'factor' } : { rounding: { by: 'reciprocal' } }),
  };
}

/** TorchAO MX formats (OCP): how the shared exponent is rounded. */
export function torchaoMx(levels: 'fp4' | 'fp8', mode: 'floor' | 'rceil' | 'ceil' | 'even'): Grid {
  const elements = levels === 'fp4' ? e2m1 : e4m3;
  const up = { floor: 2, ceil: 1, even: levels === 'fp4' ? 1.75 : 1.9375 };
  return {
    levels: elements,
    group: 32,
    rule:
      mode === 'rceil'
        ? { kind: 'absmax', divisor: levels === 'fp4' ? 6 : 448 }
        : { kind: 'exponent', largest: levels === 'fp4' ? 2 : 8, up: up[mode] },
    scale: 'F8_E8M0',
  };
}

/** Quanto int8 and float8 (`quantize_weight`) per row. */
export function quantoRows(levels: 'int8' | 'float8'): Grid {
  return {
    levels: levels === 'int8' ? { kind: 'integer', bits: 8, signed: true } : e4m3,
    group: 'row',
    rule: { kind: 'absmax', divisor: levels === 'int8' ? 127 : 448 },
    scale: 'F32',
  };
}

/** Quanto int4 and int2: between the extremes of a group, widened to 0; the minimum is stored. */
export function quantoGroups(bits: number, group: GroupShape): Grid {
  return {
    levels: unsigned(bits),
    group,
    rule: { kind: 'range', widened: true },
    scale: 'F32',
    zero: 'minimum',
  };
}

/** HQQ without its search: between the extremes of a group; zero points are rounded at 4 bits. */
export function hqq(bits: number, group: GroupShape): Grid {
  return {
    levels: unsigned(bits),
    group,
    rule: { kind: 'range', widened: false },
    scale: 'F32',
    zero: bits === 4 ? 'integer' : 'float',
    rounding: { by: 'inverse', zero: 'before' },
  };
}
