import type { OverridesText } from '../../protocol/overrides';
import type { Plan } from '../../protocol/plan';
import { runtimeRules } from '../../ampq/runtimes';
import type { Runtime } from '../../protocol/runtimes';
import { said } from '../../protocol/said';
import {
  inAgreement,
  isKept,
  plannedModules,
  raisedNotes,
  widthFor,
  type PlannedModule,
} from './overrideModules';
import { namesPattern } from './tensorTypes';

/** Where a recipe puts matrices, and the runtime whose grids it has. */
interface RecipeTarget {
  readonly runtime: Runtime;
  readonly layout: string;
  readonly target: 'checkpoint' | 'onnx';
  /** Modules that the target never quantizes. */
  readonly floats: RegExp;
}

const embeddings = 'embed_tokens|wte|word_embeddings';

/** Recipes of `quantize-model` that a plan can be written as. */
const targets = {
  recipe: {
    ...{ runtime: 'vllm', layout: 'compressed-tensors-pack', target: 'checkpoint' },
    floats: new RegExp(`(^|\\.)(${embeddings}|lm_head|embed_out)$`),
  },
  'onnx-recipe': {
    ...{ runtime: 'onnxruntime', layout: 'matmulnbits', target: 'onnx' },
    floats: new RegExp(`(^|\\.)(${embeddings})$`),
  },
} as const satisfies Readonly<Record<string, RecipeTarget>>;

/**
 * A plan as a recipe, with which `quantize-model` writes what a runtime loads. Matrices have the grids of the plan; where it has types of GGUF, the
 * runtime's integers of as many bits, or the next width.
 * @throws QuantscopeError REQUEST as `plannedModules`.
 */
export function planRecipe(plan: Plan, kind: keyof typeof targets): OverridesText {
  const { runtime, layout, target, floats } = targets[kind];
  const { grids = [], fused } = runtimeRules[runtime];
  const isLeft = (item: PlannedModule): boolean => isKept(item) || floats.test(item.module);
  const widthOf = (item: PlannedModule): number => (isLeft(item) ? 16 : bitsOf(gridOf(item, grids)));
  const { modules, without, raised } = inAgreement(plannedModules(plan), fused, widthOf);
  const kept = modules.filter(isLeft);
  const quantized = modules.filter((item) => !kept.includes(item));
  const recipe = {
    ...{ version: 1, id: 'plan', label: `Plan of ${plan.model.name}` },
    description: said`The widths of a plan with ${plan.total.bitsPerWeight.toFixed(2)} bits per weight.`,
    ...{ layout, target, rules: rulesOf(quantized, grids) },
    // Without a list, the output matrix would be left as it is.
    ...(target === 'onnx' ? { skip: [] } : {}),
  };
  const changed = [...new Set(quantized.map(({ format }) => format))].filter((id) => !grids.includes(id));
  const lost = kept.filter((item) => !isKept(item)).map(({ module }) => module);
  return {
    text: `${JSON.stringify(recipe, null, 2)}\n`,
    notes: [
      said`quantscope quantize-model MODEL --recipe FILE --out DIR writes it.`,
      ...(changed.length === 0
        ? []
        : [
            said`${changed.join(', ')} are replaced by integers of the same or the next width (${grids.join(', ')}): sizes and divergence of the plan do not hold. recommend --runtime ${runtime} makes a plan of them.`,
          ]),
      ...raisedNotes(raised),
      ...(lost.length === 0
        ? []
        : [said`Left as they are, as the layout cannot store them: ${lost.join(', ')}.`]),
      ...(without.length === 0
        ? []
        : [said`Left out, as they are not weights of modules: ${without.join(', ')}.`]),
    ],
  };
}

/** A rule for the matrices that have the same grid and names but for their layer. */
function rulesOf(modules: readonly PlannedModule[], grids: readonly string[]) {
  const groups = new Map<string, { readonly grid: string; readonly names: string[] }>();
  for (const item of modules) {
    const grid = gridOf(item, grids);
    const key = `${item.module.replace(/\d+/, '#')} ${grid}`;
    const known = groups.get(key) ?? { grid, names: [] };
    known.names.push(`${item.module}.weight`);
    groups.set(key, known);
  }
  return [...groups.values()].map(({ grid, names }) => ({ match: namesPattern(names), grid }));
}

function gridOf({ format, bits }: PlannedModule, grids: readonly string[]): string {
  if (grids.includes(format)) return format;
  const widths = grids.map(bitsOf);
  return grids[widths.indexOf(widthFor(bits, widths))]!;
}

/** Of the integers of a grid, by its name. */
const bitsOf = (grid: string): number => Number(/\d+/.exec(grid)![0]);
