import { runtimeRules } from '../../ampq/runtimes';
import { compressedConfig } from '../../layouts/compressedTensors';
import { gptqWriter } from '../../layouts/gptqWriter';
import type { WrittenModel, WrittenWeight } from '../../layouts/layout';
import type { Grid } from '../../protocol/grids';
import type { OverrideKind, OverridesText } from '../../protocol/overrides';
import type { Plan } from '../../protocol/plan';
import type { Recipe } from '../../protocol/recipe';
import { compressedIntegers, gptq } from '../../quant/grids/libraries';
import { QuantscopeError } from '../../model/errors';
import { namedBits } from '../../protocol/formatBits';
import { said } from '../../protocol/said';
import { encodableTypes } from './fileTypes';
import {
  inAgreement,
  isKept,
  plannedModules,
  raisedNotes,
  widenedNote,
  widthFor,
  type PlannedModule,
} from './overrideModules';
import { planRecipe } from './recipeOverrides';
import { namesPattern, printTensorTypes } from './tensorTypes';

/** A plan as the settings of another tool: which tensor or module gets how many bits. */
export function planOverrides(plan: Plan, kind: OverrideKind): OverridesText {
  return writers[kind](plan);
}

const writers: Readonly<Record<OverrideKind, (plan: Plan) => OverridesText>> = {
  'tensor-types': tensorTypes,
  'compressed-tensors': compressedTensors,
  gptq: gptqDynamic,
  mlx: mlxOverrides,
  recipe: (plan) => planRecipe(plan, 'recipe'),
  'onnx-recipe': (plan) => planRecipe(plan, 'onnx-recipe'),
};

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Weights that share a scale: what the presets of these tools have. */
const [groupSize, mlxGroup] = [128, 64];

/**
 * Widths that runtimes load: vLLM's kernels for `pack-quantized`, GPTQModel, MLX
 * (`WNA16_SUPPORTED_BITS` in vLLM's compressed_tensors_wNa16.py; `QuantizeConfig` of GPTQModel; `mlx.core.quantize`).
 */
const widths = { compressedTensors: [4, 8], gptq: [2, 3, 4, 8], mlx: [2, 3, 4, 5, 6, 8] } as const;

const otherFormats = said`The runtime has integers in groups in place of the types of GGUF: the bits are those of the plan, its sizes and its divergence are not.`;

/** What MLX stores where a plan has integer zero points. */
const biasOfMlx = said`MLX stores a bias for each group where the plan has a zero point: one byte more.`;

/**
 * Lines `PATTERN=TYPE` of `llama-quantize --tensor-type-file`, each for the tensors of one role and type.
 * @throws QuantscopeError REQUEST for a format that files of GGUF cannot hold.
 */
function tensorTypes({ assignments }: Plan): OverridesText {
  const groups = new Map<string, { names: string[]; type: string }>();
  for (const { tensor, format } of assignments) {
    if (!encodableTypes.has(format))
      throw new QuantscopeError('REQUEST', said`${format} is not a type of GGUF.`, { tensor });
    const key = `${tensor.replace(/\d+/, '#')} ${format}`;
    const known = groups.get(key);
    if (known) known.names.push(tensor);
    else groups.set(key, { names: [tensor], type: format });
  }
  const rules = [...groups.values()].map(({ names, type }) => ({ pattern: namesPattern(names), type }));
  return {
    text: printTensorTypes(rules),
    notes: [
      said`llama-quantize --tensor-type-file FILE IN.gguf OUT.gguf TYPE writes them, TYPE being a quantized one, which applies to no tensor of the plan.`,
    ],
  };
}

const recipe = (layout: string): Recipe => ({
  ...{ version: 1, id: 'plan', label: 'plan', description: '', layout, target: 'checkpoint', rules: [] },
});

/** What a writer's configuration is made from. Embeddings, which are not linear layers, are in neither list. */
function writtenModel(
  modules: readonly PlannedModule[],
  layout: string,
  gridOf: (module: PlannedModule) => Grid,
): WrittenModel {
  const linear = modules.filter(({ module }) => !/(^|\.)(embed_tokens|wte|word_embeddings)$/.test(module));
  const isLeft = (item: PlannedModule): boolean => isKept(item) || item.module === 'lm_head';
  const weights = linear
    .filter((item) => !isLeft(item))
    .map((item): WrittenWeight => ({
      // Groups are shorter than rows of any model, which configurations do not state.
      ...{ name: `${item.module}.weight`, shape: [1, 2 * groupSize], grid: gridOf(item), dtype: 'BF16' },
    }));
  return {
    recipe: recipe(layout),
    weights,
    kept: linear.filter(isLeft).map(({ module }) => module),
    names: modules.map(({ module }) => `${module}.weight`),
  };
}

const notesOf = (
  modules: readonly PlannedModule[],
  supported: readonly number[],
  without: readonly string[],
  more: readonly string[] = [],
): string[] => {
  const widened = widenedNote(modules, supported);
  return [
    ...(modules.some(({ format }) => encodableTypes.has(format) && !isFloat(format)) ? [otherFormats] : []),
    ...(widened === undefined ? [] : [widened]),
    ...more,
    ...(without.length === 0
      ? []
      : [said`Left out, as they are not weights of modules: ${without.join(', ')}.`]),
  ];
};

const isFloat = (format: string): boolean => isKept({ bits: namedBits(format) ?? 0 });

const outputKept = said`Embedding and output matrix are left as they are, as runtimes of this layout expect.`;

/** `quantization_config` with a group for each width. */
function compressedTensors(plan: Plan): OverridesText {
  const widthOf = (item: PlannedModule): number =>
    isKept(item) ? item.bits : widthFor(item.bits, widths.compressedTensors);
  const { modules, without, raised } = inAgreement(plannedModules(plan), runtimeRules.vllm.fused, widthOf);
  const model = writtenModel(modules, 'compressed-tensors-pack', ({ bits }) =>
    compressedIntegers(widthFor(bits, widths.compressedTensors), groupSize),
  );
  return {
    text: json({ quantization_config: compressedConfig(model, 'pack-quantized') }),
    notes: notesOf(modules, widths.compressedTensors, without, [...raisedNotes(raised), outputKept]),
  };
}

/** GPTQModel's settings: those of most modules, and `dynamic` for the others. */
function gptqDynamic(plan: Plan): OverridesText {
  const { modules, without } = plannedModules(plan);
  const model = writtenModel(modules, 'gptq', ({ bits }) =>
    gptq(widthFor(bits, widths.gptq), groupSize, true),
  );
  const { bits, dynamic = {}, group_size, sym, desc_act } = gptqWriter('v1').config(model);
  return {
    text: json({ bits, group_size, sym, desc_act, dynamic }),
    notes: notesOf(modules, widths.gptq, without, [outputKept]),
  };
}

/** `quantization` of an MLX checkpoint's config.json: the most frequent width, and each module that has another. */
function mlxOverrides(plan: Plan): OverridesText {
  const bitsOf = (item: PlannedModule): number =>
    isKept(item) ? item.bits : widthFor(item.bits, widths.mlx);
  const { modules, without, raised } = inAgreement(plannedModules(plan), runtimeRules.mlx.fused, bitsOf);
  const counts = new Map<number, number>();
  for (const item of modules)
    if (!isKept(item)) counts.set(bitsOf(item), (counts.get(bitsOf(item)) ?? 0) + 1);
  const [[usual] = [4]] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const overrides = modules.flatMap((item): [string, unknown][] => {
    if (isKept(item)) return [[item.module, false]];
    return bitsOf(item) === usual ? [] : [[item.module, { group_size: mlxGroup, bits: bitsOf(item) }]];
  });
  return {
    text: json({ quantization: { group_size: mlxGroup, bits: usual, ...Object.fromEntries(overrides) } }),
    notes: notesOf(modules, widths.mlx, without, [
      ...raisedNotes(raised),
      ...(modules.some(({ format }) => format.endsWith('-zp')) ? [biasOfMlx] : []),
    ]),
  };
}
