import { suggestion } from '../../model/closest';
import { QuantscopeError } from '../../model/errors';
import type { Grid, GroupShape, Levels, ScaleDtype } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { llmInt8 } from './libraries';
import { largestLevel } from './levels';

/**
 * A short syntax of grids: levels, then in any order a group and what else there is, joined by hyphens.
 * - Levels: `int4` (−8 to 7), `uint4` (0 to 15, with zero points only), 2 to 8 bits; `e4m3` (exponent and mantissa bits, 3 to 8 bits with the
 *   sign; E5M2 has infinities, E4M3 NaN, all others only numbers); `nf4`, `fp4` (bitsandbytes).
 * - Group: `g128` (weights of a row), `b64` (weights of the flattened tensor), `128x128` (rows × columns), `row`, `tensor`. Where none is
 *   named: `b64` for tables, `row` for others.
 * - `zp`: integer zero points. `dq`: scales quantized to 8 bits in blocks of 256. `global`: a float32 scale of the whole tensor on top.
 * - `f32`, `f16`, `bf16`, `e8m0`, `e4m3`: dtype of the scales; float32 for tables, else float16 where none is named.
 * - `mxfp4` is `e2m1-g32-e8m0`, `nvfp4` is `e2m1-g16-e4m3-global`; `llm-int8` is int8 with columns of outliers in half precision.
 */
export function gridNamed(name: string): Grid {
  const grid = parseGridName(name);
  if (typeof grid === 'object') return grid;
  throw new QuantscopeError('REQUEST', grid);
}

/** Whether a name begins as those of grids do. */
export const beginsLikeGrid = (name: string): boolean =>
  levelsNamed(name.toLowerCase().split('-')[0]!) !== undefined;

/** A grid by its name, or why it has none, as a sentence. */
export function parseGridName(name: string): Grid | string {
  const lower = name.toLowerCase();
  if (lower === outlierGrid) return llmInt8;
  const [head = '', ...rest] = (Object.hasOwn(aliases, lower) ? aliases[lower]! : lower).split('-');
  const levels = levelsNamed(head);
  if (!levels)
    return invalid(name, said`It begins with levels such as int4, uint4, e4m3 or nf4.${guess(lower)}`);
  let group: GroupShape | undefined;
  let scale: ScaleDtype | undefined;
  const marks = new Set<string>();
  for (const part of rest) {
    const shape = groupNamed(part);
    if (shape !== undefined && group === undefined) group = shape;
    else if (Object.hasOwn(dtypes, part) && scale === undefined) scale = dtypes[part];
    else if (['zp', 'dq', 'global'].includes(part) && !marks.has(part)) marks.add(part);
    else
      return invalid(
        name,
        said`"${part}" is not a group, a dtype of scales, zp, dq or global, or is there twice.`,
      );
  }
  const hasZero = marks.has('zp');
  const problem = problemOf(levels, hasZero);
  if (problem !== undefined) return invalid(name, problem);
  const isTable = levels.kind === 'table';
  const dtype = scale ?? (isTable ? 'F32' : 'F16');
  return {
    levels,
    group: group ?? (isTable ? { flat: 64 } : 'row'),
    rule: ruleOf(levels, hasZero, dtype),
    scale: dtype,
    ...(hasZero ? { zero: 'integer' } : {}),
    ...(isTable ? { rounding: { by: 'reciprocal' } } : {}),
    ...(marks.has('dq') ? { double: { block: 256 } } : {}),
    ...(marks.has('global') ? { global: 'divisor' as const } : {}),
  };
}

/** The only grid that keeps columns. */
const outlierGrid = 'llm-int8';

const aliases: Readonly<Record<string, string>> = {
  mxfp4: 'e2m1-g32-e8m0',
  nvfp4: 'e2m1-g16-e4m3-global',
};

const dtypes: Readonly<Record<string, ScaleDtype>> = {
  ...{ f32: 'F32', f16: 'F16', bf16: 'BF16', e8m0: 'F8_E8M0', e4m3: 'F8_E4M3' },
};

function levelsNamed(text: string): Levels | undefined {
  if (text === 'nf4' || text === 'fp4') return { kind: 'table', table: text };
  const integer = /^(u?)int([2-8])$/.exec(text);
  if (integer) return { kind: 'integer', bits: Number(integer[2]), signed: integer[1] === '' };
  const float = /^e([1-6])m([0-6])$/.exec(text);
  if (!float) return undefined;
  const [exponent, mantissa] = [Number(float[1]), Number(float[2])];
  const bits = 1 + exponent + mantissa;
  if (bits < 3 || bits > 8) return undefined;
  const special = text === 'e5m2' ? 'ieee' : text === 'e4m3' ? 'nan' : 'finite';
  return { kind: 'float', exponent, mantissa, special };
}

function groupNamed(part: string): GroupShape | undefined {
  if (part === 'row' || part === 'tensor') return part;
  const run = /^([gb])([1-9]\d{0,5})$/.exec(part);
  if (run) return run[1] === 'g' ? Number(run[2]) : { flat: Number(run[2]) };
  const rectangle = /^([1-9]\d{0,5})x([1-9]\d{0,5})$/.exec(part);
  return rectangle ? { rows: Number(rectangle[1]), columns: Number(rectangle[2]) } : undefined;
}

function problemOf(levels: Levels, hasZero: boolean): string | undefined {
  if (levels.kind !== 'integer') return hasZero ? said`Only integers have zero points (zp).` : undefined;
  return levels.signed || hasZero ? undefined : said`Unsigned integers need zero points (zp).`;
}

function ruleOf(levels: Levels, hasZero: boolean, scale: ScaleDtype): Grid['rule'] {
  if (hasZero) return { kind: 'range', widened: true };
  if (levels.kind === 'integer') return { kind: 'absmax', divisor: 2 ** (levels.bits - 1) - 0.5 };
  const largest = largestLevel(levels);
  if (scale === 'F8_E8M0') return { kind: 'exponent', largest: Math.floor(Math.log2(largest)), up: 2 };
  return { kind: 'absmax', divisor: largest };
}

const guess = (name: string): string => suggestion(name, [...Object.keys(aliases), outlierGrid]);

const invalid = (name: string, why: string): string => `"${name}" is not a grid. ${why}`;

/** The name of a grid in that syntax; of a grid that it cannot tell from another one, a description. */
export function gridName(grid: Grid): string {
  if (grid.outliers) return outlierGrid;
  const name = spelledGridName(grid);
  return Object.keys(aliases).find((alias) => aliases[alias] === name) ?? name;
}

/** The same without short names: `mxfp4` and `nvfp4` are also types of ggml. */
export function spelledGridName({ levels, group, scale, zero, double, global }: Grid): string {
  const isTable = levels.kind === 'table';
  const isUsual = scale === (isTable ? 'F32' : 'F16');
  const dtype = Object.keys(dtypes).find((key) => dtypes[key] === scale)!;
  return [
    levelsName(levels),
    groupName(group),
    ...(zero ? ['zp'] : []),
    ...(isUsual ? [] : [dtype]),
    ...(double ? ['dq'] : []),
    ...(global ? ['global'] : []),
  ].join('-');
}

function levelsName(levels: Levels): string {
  switch (levels.kind) {
    case 'integer':
      return `${levels.signed ? '' : 'u'}int${levels.bits}`;
    case 'float':
      return `e${levels.exponent}m${levels.mantissa}`;
    case 'table':
      return levels.table;
  }
}

function groupName(group: GroupShape): string {
  if (typeof group === 'string') return group;
  if (typeof group === 'number') return `g${group}`;
  return 'flat' in group ? `b${group.flat}` : `${group.rows}x${group.columns}`;
}
