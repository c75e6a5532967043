import type { LensFamily, LensGrid, LensRecipe } from '../../protocol/lens';
import { ggmlFormats } from '../../protocol/ggmlTypes';
import { findFormat } from '../../quant/catalogue';
import { gridBytes } from '../../quant/grids/gridSize';
import { methods } from '../../quant/methods/methods';
import { optionsOf } from '../../quant/methods/options';
import { layerTarget, type LayerTarget } from './layerTarget';
import { refusalOf } from './refusal';

/** Recipes that a lens begins with, in the order of likely interest; those of a line share the method. */
const usual: readonly (readonly [method: string, grids: readonly string[]])[] = [
  ['rtn', ['Q4_K', 'Q6_K', 'Q5_K', 'Q8_0', 'Q3_K', 'Q2_K', 'nf4', 'int4-g128', 'e4m3-row']],
  ['rtn', ['Q4_0', 'IQ4_XS', 'IQ4_NL', 'Q4_1', 'Q5_0', 'uint4-g128-zp', 'int8-row']],
  ['rtn', ['MXFP4', 'NVFP4', 'nf4-b64-dq', 'int4-g32', 'e4m3-128x128-f32', 'e5m2-row', 'e2m3-g32-e8m0']],
  ['rtn', ['int3-g64', 'uint3-g64-zp', 'int2-g32', 'uint2-g32-zp', 'IQ3_S']],
  ['ecb', ['int4-g128', 'uint4-g128-zp', 'int3-g64', 'uint2-g32-zp']],
  ['imatrix', ['Q4_K', 'Q3_K', 'Q2_K', 'IQ4_XS', 'IQ2_XS']],
  ['gptq', ['Q4_K', 'int4-g128', 'uint4-g128-zp', 'int3-g64', 'Q3_K', 'Q2_K']],
  ['awq', ['uint4-g128-zp', 'int3-g64']],
  ['llm-int8', ['llm-int8']],
  ['gptq-cd', ['Q4_K', 'Q3_K', 'Q2_K']],
];

const integers = [2, 3, 4, 5, 6, 7, 8].flatMap((bits) =>
  ['g32', 'g64', 'g128', 'row'].flatMap((group) => [`int${bits}-${group}`, `uint${bits}-${group}-zp`]),
);

/** All splits of 3 to 8 bits into a sign, exponent and mantissa. */
const floats = [1, 2, 3, 4, 5, 6].flatMap((exponent) =>
  [0, 1, 2, 3, 4, 5, 6]
    .filter((mantissa) => exponent + mantissa >= 2 && exponent + mantissa <= 7)
    .flatMap((mantissa) => ['g32', 'row'].map((group) => `e${exponent}m${mantissa}-${group}`)),
);

const tables = ['nf4', 'fp4'].flatMap((table) =>
  ['b32', 'b64', 'b128', 'b64-dq'].map((rest) => `${table}-${rest}`),
);

const named = [
  'e2m1-g32-e8m0',
  'e2m1-g16-e4m3-global',
  'e4m3-g32-e8m0',
  'e5m2-g32-e8m0',
  'e2m3-g32-e8m0',
  'e3m2-g32-e8m0',
];
const wide = ['e4m3-tensor', 'e4m3-128x128-f32', 'llm-int8'];

/** The shape that lists are for: methods may still refuse another one. */
const nominal = { shape: [256, 256] };

/** All grids and types of a lens, with the methods that take them. */
export function lensGrids(): LensGrid[] {
  const names = [
    ...ggmlFormats.map(({ name }) => name),
    ...integers,
    ...tables,
    ...named,
    ...floats,
    ...wide,
  ];
  const targets = new Map(names.map((name) => layerTarget(name)).map((target) => [target.name, target]));
  return [...targets.values()].map((target) => ({
    ...{ name: target.name, label: target.label, family: familyOf(target), bitsPerWeight: bitsOf(target) },
    methods: methodsOf(target),
  }));
}

/** Those that a lens begins with. */
export const usualRecipes = (): LensRecipe[] =>
  usual.flatMap(([method, grids]) => grids.map((grid) => ({ grid: layerTarget(grid).name, method })));

function familyOf(target: LayerTarget): LensFamily {
  return 'type' in target ? 'gguf' : target.grid.levels.kind;
}

const nominalSide = 4096;

function bitsOf(target: LayerTarget): number {
  if ('type' in target) return findFormat(target.type)!.nominalBitsPerWeight;
  return (8 * gridBytes(target.grid, nominalSide, nominalSide)) / nominalSide ** 2;
}

function methodsOf(target: LayerTarget): string[] {
  const isTaken = (method: (typeof methods)[number]): boolean =>
    refusalOf({ method, target, tensor: nominal, options: optionsOf(method) }) === undefined;
  return methods.filter(isTaken).map(({ id }) => id);
}
