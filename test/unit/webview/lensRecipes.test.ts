import { describe, expect, it } from 'vitest';
import { lensGrids, usualRecipes } from '../../../src/exporter/layer/lensRecipes';
import type { LensRecipe, LensRow } from '../../../src/protocol/lens';
import type { MethodResult } from '../../../src/protocol/methods';
import { describeMethods } from '../../../src/quant/methods/methods';
import {
  firstFilter,
  linesOf,
  offeredMethods,
  readFilter,
  readOrder,
  sortedLines,
  wantedRecipes,
  withoutResult,
} from '../../../webview/lensRecipes';
import { recipeId } from '../../../webview/lensRows';
import { lensNames, lensScale, pointsOf } from '../../../webview/lensScale';

const choices = { methods: describeMethods(), grids: lensGrids(), usual: usualRecipes() };

const resultOf = (bitsPerWeight: number, relativeError: number): MethodResult => ({
  ...{ bytes: 1000 * bitsPerWeight, bitsPerWeight, seconds: 1, evidence: 'none', layouts: [] },
  error: {
    ...{ mse: relativeError, relativeError, relativeSquaredError: relativeError ** 2 },
    ...{ sqnr: -20 * Math.log10(relativeError), cosine: 1, maxError: 1 },
  },
  histogram: { min: 0, max: 1, counts: [] },
});

const rowsOf = (rows: readonly LensRow[]) => new Map(rows.map((row) => [recipeId(row), row]));
const recipe = (grid: string, method = 'rtn'): LensRecipe => ({ grid, method });

describe('recipes that a lens shows', () => {
  it('are the usual ones until others are asked for', () => {
    expect(wantedRecipes(choices, firstFilter)).toEqual(choices.usual);
    const all = wantedRecipes(choices, { ...firstFilter, all: true });
    expect(all.length).toBeGreaterThan(400);
    expect(all.slice(0, choices.usual.length)).toEqual(choices.usual);
    expect(new Set(all.map(recipeId)).size).toBe(all.length);
  });

  it('are left out by words, by kind and by method', () => {
    const shown = (change: Partial<typeof firstFilter>) =>
      wantedRecipes(choices, { ...firstFilter, ...change }).map(recipeId);
    expect(shown({ text: 'Q4_K gptq' })).toEqual(['Q4_K gptq', 'Q4_K gptq-cd']);
    expect(shown({ text: 'zero points ecb' })).toEqual(['uint4-g128-zp ecb', 'uint2-g32-zp ecb']);
    expect(shown({ hiddenFamilies: ['gguf', 'integer', 'float'] })).toEqual([
      ...['nf4-b64 rtn', 'nf4-b64-dq rtn'],
    ]);
    expect(shown({ hiddenMethods: ['rtn', 'gptq', 'gptq-cd', 'ecb', 'imatrix'] })).toEqual([
      ...['uint4-g128-zp awq', 'int3-g64 awq', 'llm-int8 llm-int8'],
    ]);
  });

  it('offer the methods that there are recipes by', () => {
    const ids = (change: Partial<typeof firstFilter>) =>
      offeredMethods(choices, { ...firstFilter, ...change }).map(({ id }) => id);
    expect(ids({ hiddenMethods: ['gptq'], text: 'nf4' })).toEqual([
      ...['rtn', 'ecb', 'imatrix', 'gptq', 'gptq-cd', 'awq', 'llm-int8'],
    ]);
    expect(ids({ all: true })).toEqual(choices.methods.map(({ id }) => id));
  });

  it('have those of a grid that was added, by all methods that take it', () => {
    const added = wantedRecipes(choices, { ...firstFilter, added: ['e3m2-g32', 'int5-g48'], text: '-g' });
    const methods = (grid: string) => added.filter((item) => item.grid === grid).map(({ method }) => method);
    expect(methods('e3m2-g32')).toEqual(['rtn', 'ecb', 'gptq', 'obq', 'awq']);
    expect(methods('int5-g48')).toHaveLength(choices.methods.length);
  });

  it('are in the order that was kept, where there still is such a column', () => {
    expect(readOrder({ column: 'method', descending: true })).toEqual({ column: 'method', descending: true });
    expect(readOrder({ column: 'gone', descending: true })).toBeUndefined();
    expect(readOrder(3)).toBeUndefined();
  });

  it('are read back as far as they are what they should be', () => {
    expect(readFilter({ ...firstFilter, all: true, added: ['int5-g48', 3] })).toEqual({
      ...{ ...firstFilter, all: true, added: ['int5-g48'] },
    });
    expect(readFilter({ hiddenFamilies: ['gguf', 'else'], text: 4 })).toEqual({
      ...{ ...firstFilter, hiddenFamilies: ['gguf'] },
    });
    expect(readFilter('x')).toEqual(firstFilter);
  });
});

describe('lines of a lens', () => {
  const recipes = [
    recipe('Q4_K'),
    recipe('Q8_0'),
    recipe('nf4-b64'),
    recipe('int4-g128', 'gptq'),
    recipe('Q2_K'),
  ];
  const rows = rowsOf([
    { ...recipe('Q4_K'), result: resultOf(4.5, 0.07) },
    { ...recipe('Q8_0'), result: resultOf(8.5, 0.005) },
    { ...recipe('nf4-b64'), result: resultOf(4.5, 0.09) },
    { ...recipe('int4-g128', 'gptq'), missing: 'hessian' },
  ]);
  const lines = linesOf(choices, recipes, rows);
  const names = (order: { column: string; descending: boolean }) =>
    sortedLines(lines, order).map(({ grid }) => grid);

  it('are of recipes with a result or that wait for one, and mark the front', () => {
    expect(lines.map(({ grid, isOnFront }) => [grid, isOnFront])).toEqual([
      ['Q4_K', true],
      ['Q8_0', true],
      ['nf4-b64', false],
      ['Q2_K', false],
    ]);
    expect(lines[3]).toMatchObject({ nominalBits: 2.625, methodLabel: 'Round to nearest', family: 'gguf' });
    expect(withoutResult(rows.values())).toEqual({ missing: new Map([['hessian', 1]]), refused: [] });
  });

  it('are ordered by a figure, those that wait last, or by their bits', () => {
    expect(names({ column: 'error', descending: false })).toEqual(['Q8_0', 'Q4_K', 'nf4-b64', 'Q2_K']);
    expect(names({ column: 'sqnr', descending: true })).toEqual(['Q8_0', 'Q4_K', 'nf4-b64', 'Q2_K']);
    expect(names({ column: 'bits', descending: false })).toEqual(['Q2_K', 'Q4_K', 'nf4-b64', 'Q8_0']);
    expect(names({ column: 'bits', descending: true })).toEqual(['Q8_0', 'Q4_K', 'nf4-b64', 'Q2_K']);
    expect(names({ column: 'outputs', descending: true })).toEqual(['Q4_K', 'Q8_0', 'nf4-b64', 'Q2_K']);
  });

  it('do not count a part of the weights as a place on the front', () => {
    const partial = rowsOf([
      { ...recipe('Q4_K'), result: resultOf(4.5, 0.001), share: 0.2 },
      ...rows.values(),
    ]);
    expect(linesOf(choices, recipes, partial)[0]!.isOnFront).toBe(true);
    const alone = rowsOf([{ ...recipe('Q4_K'), result: resultOf(4.5, 0.001), share: 0.2 }]);
    expect(linesOf(choices, recipes, alone)[0]!.isOnFront).toBe(false);
  });

  it('are points whose names, on the front, lie inside of the chart', () => {
    const points = pointsOf(lines);
    const scale = lensScale(points)!;
    expect(points).toHaveLength(3);
    expect(scale.bits[0]).toBeLessThan(4.5);
    expect(scale.errors[1]).toBeGreaterThan(0.09);
    expect(lensNames(points, scale, 600).map(({ point }) => point.line.grid)).toEqual(['Q4_K', 'Q8_0']);
    expect(lensScale([])).toBeUndefined();
  });
});
