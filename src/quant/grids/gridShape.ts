import { isRecord } from '../../model/json';
import type {
  DoubleQuantization,
  Grid,
  GroupShape,
  LeastScale,
  Levels,
  Rounding,
  ScaleRule,
} from '../../protocol/grids';
import { said } from '../../protocol/said';
import {
  choice,
  either,
  flag,
  number,
  object,
  optional,
  ShapeError,
  tagged,
  whole,
  yes,
  type Shape,
} from '../../model/shape';
import { gridProblem } from './gridProblem';

const isText = (value: unknown): boolean => typeof value === 'string';
const has = (key: string) => (value: unknown) => isRecord(value) && key in value;
const isNumber = (value: unknown): boolean => typeof value === 'number';

/** Most weights that share a scale: no library groups more; larger groups are rows. */
const maxGroup = 65_536;

/** Values before they are scaled. */
export const levels: Shape<Levels> = tagged<Levels>('kind', {
  integer: object<Extract<Levels, { kind: 'integer' }>>({
    kind: choice(['integer'] as const),
    bits: whole(2, 8),
    signed: flag,
    narrow: optional(yes),
  }),
  float: object<Extract<Levels, { kind: 'float' }>>({
    kind: choice(['float'] as const),
    exponent: whole(1, 6),
    mantissa: whole(0, 6),
    bias: optional(whole(-128, 127)),
    special: choice(['ieee', 'nan', 'finite'] as const),
  }),
  table: object<Extract<Levels, { kind: 'table' }>>({
    kind: choice(['table'] as const),
    table: choice(['nf4', 'fp4'] as const),
  }),
});

/** Weights that share a scale. */
export const group: Shape<GroupShape> = either<GroupShape>(
  '"tensor", "row", a number of weights, {"rows", "columns"} or {"flat"}',
  [isText, choice(['tensor', 'row'] as const)],
  [isNumber, whole(1, maxGroup)],
  [has('flat'), object<{ readonly flat: number }>({ flat: whole(1, maxGroup) })],
  [
    isRecord,
    object<{ readonly rows: number; readonly columns: number }>({
      rows: whole(1, maxGroup),
      columns: whole(1, maxGroup),
    }),
  ],
);

/** A number that is neither 0 nor infinite as float32. */
const divisor: Shape<number> = (value, path) => {
  const found = number(value, path);
  const isUsable = Math.fround(found) !== 0 && Number.isFinite(Math.fround(found));
  if (!isUsable) throw new ShapeError(said`${path} is ${found}, which is 0 or infinite in float32.`);
  return found;
};

const positive: Shape<number> = (value, path) => {
  const found = divisor(value, path);
  if (found < 0) throw new ShapeError(said`${path} is ${found}; it must be greater than 0.`);
  return found;
};

const rule: Shape<ScaleRule> = tagged<ScaleRule>('kind', {
  absmax: object<Extract<ScaleRule, { kind: 'absmax' }>>({
    kind: choice(['absmax'] as const),
    divisor,
    oneSided: optional(yes),
  }),
  extreme: object<Extract<ScaleRule, { kind: 'extreme' }>>({ kind: choice(['extreme'] as const), divisor }),
  range: object<Extract<ScaleRule, { kind: 'range' }>>({ kind: choice(['range'] as const), widened: flag }),
  exponent: object<Extract<ScaleRule, { kind: 'exponent' }>>({
    kind: choice(['exponent'] as const),
    largest: whole(-127, 127),
    up: positive,
  }),
});

const least: Shape<LeastScale> = either<LeastScale>(
  '{"scale"}, {"range"} or {"zeros"}',
  [has('scale'), object<Extract<LeastScale, { scale: unknown }>>({ scale: positive, zeros: optional(yes) })],
  [has('range'), object<Extract<LeastScale, { range: unknown }>>({ range: positive })],
  [has('zeros'), object<{ readonly zeros: number }>({ zeros: positive })],
);

const rounding: Shape<Rounding> = object<Rounding>({
  half: optional(choice(['away', 'up'] as const)),
  by: optional(choice(['reciprocal', 'inverse'] as const)),
  from: optional(choice(['exact'] as const)),
  zero: optional(choice(['before'] as const)),
});

const members: Shape<Grid> = object<Grid>({
  levels,
  group,
  rule,
  scale: choice(['F32', 'F16', 'BF16', 'F8_E8M0', 'F8_E4M3'] as const),
  weights: optional(choice(['F16', 'BF16'] as const)),
  arithmetic: optional(choice(['F16', 'BF16'] as const)),
  zero: optional(choice(['integer', 'float', 'minimum'] as const)),
  least: optional(least),
  rounding: optional(rounding),
  perScale: optional(positive),
  double: optional(object<DoubleQuantization>({ block: whole(1, maxGroup) })),
  global: optional(choice(['divisor', 'factor'] as const)),
  outliers: optional(yes),
});

/** A grid as JSON has it, whose members fit together. */
export const grid: Shape<Grid> = (value, path) => {
  const found = members(value, path);
  const problem = gridProblem(found);
  if (problem) throw new ShapeError(`${path}.${problem.member} ${problem.text}`);
  return found;
};
