import type { Grid, Levels } from '../../protocol/grids';
import { said } from '../../protocol/said';
import { largestLevel } from './levels';

/** A member of a grid that does not fit, and why: "must have …". */
export interface GridProblem {
  readonly member: keyof Grid;
  readonly text: string;
}

/** Bits of a float's code, its sign included. */
const floatBits = { least: 3, most: 8 };

/** Values must be normal float32, the steps of the smallest as well: exponents of 2 from −126 to 127. */
const floatExponents = { least: -126, most: 127 };

/** Whether levels, rule and zero points of a grid fit together; undefined where they do. */
export function gridProblem({
  levels,
  rule,
  zero,
}: Pick<Grid, 'levels' | 'rule' | 'zero'>): GridProblem | undefined {
  const text = problemOfLevels(levels);
  if (text !== undefined) return { member: 'levels', text };
  if (levels.kind !== 'integer' && zero !== undefined)
    return { member: 'zero', text: said`is for integers: only they have zero points.` };
  if (levels.kind === 'integer' && !levels.signed && zero === undefined)
    return { member: 'zero', text: said`is missing: unsigned integers need zero points.` };
  if (rule.kind === 'range' && zero === undefined)
    return { member: 'rule', text: said`is a range, which gives zero points: the grid has none.` };
  if (rule.kind !== 'range' && zero !== undefined)
    return { member: 'rule', text: said`gives no zero points: it must be a range.` };
  return undefined;
}

function problemOfLevels(levels: Levels): string | undefined {
  if (levels.kind !== 'float') return undefined;
  const { exponent, mantissa, bias = 2 ** (exponent - 1) - 1 } = levels;
  const bits = 1 + exponent + mantissa;
  if (bits < floatBits.least || bits > floatBits.most)
    return said`has floats of ${bits} bits; they have ${floatBits.least} to ${floatBits.most}.`;
  const [low, high] = [2 ** exponent - 1 - floatExponents.most, 1 - mantissa - floatExponents.least];
  if (bias < low || bias > high)
    return said`has the bias ${bias}; with these bits it is from ${low} to ${high}.`;
  return largestLevel(levels) > 0 ? undefined : said`has no value but 0.`;
}
