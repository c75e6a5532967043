import type { LayoutWriter } from '../layouts/layout';
import { safetensorsDtype } from '../model/dtypes';
import type { Grid } from '../protocol/grids';
import type { RecipeDescription } from '../protocol/quantizeModel';
import type { EvidenceKind, Recipe } from '../protocol/recipe';
import { methodEvidence, usedEvidence } from '../quant/evidence';
import { methodById } from '../quant/methods/methods';
import { defaultMethod, isGrid } from './checkRecipe';
import { codesOptions } from './ggufCodes';
import { writerNamed } from './writers';

/** Kinds of evidence in the order of their cost. */
const evidenceKinds: readonly EvidenceKind[] = ['none', 'importance', 'hessian', 'activations', 'gradients'];

/** The most demanding of some kinds of evidence. */
export const mostDemanding = (kinds: readonly EvidenceKind[]): EvidenceKind =>
  evidenceKinds[kinds.reduce((most, kind) => Math.max(most, evidenceKinds.indexOf(kind)), 0)]!;

/** Of a large matrix. */
function bitsPerWeight(writer: LayoutWriter, grid: Grid): number | undefined {
  const shape = [4096, 4096];
  const weight = { name: 'layer.weight', shape, grid, dtype: grid.arithmetic ?? 'BF16' };
  if (writer.refuse(weight) !== undefined) return undefined;
  const bits = writer.parts(weight).reduce((sum, part) => {
    return sum + (safetensorsDtype(part.dtype)?.bitsPerBlock ?? 0) * part.shape.reduce((a, b) => a * b, 1);
  }, 0);
  return bits / (shape[0]! * shape[1]!);
}

/** A recipe as lists show it. */
export function describeRecipe(recipe: Recipe): RecipeDescription {
  const { rules, layout, target, activations } = recipe;
  const writer = writerNamed(layout);
  const quantizing = rules.filter(({ grid }) => isGrid(grid));
  const [grid] = rules.flatMap((rule) => (isGrid(rule.grid) ? [rule.grid] : []));
  const bits = writer && grid ? bitsPerWeight(writer, grid) : undefined;
  const isGguf = target === 'gguf';
  const choices = (isGguf ? [recipe] : quantizing).map(({ method }) => ({
    method: methodById(method?.id ?? defaultMethod),
    options: method && isGguf ? codesOptions(method) : method?.options,
  }));
  const evidence = mostDemanding(choices.map(({ method, options }) => methodEvidence(method, options)));
  const inputs = activations?.scale === 'static' ? 'importance' : 'none';
  return {
    ...{ recipe, evidence },
    usable: mostDemanding([
      inputs,
      ...choices.map(({ method, options }) => usedEvidence(method, true, options)),
    ]),
    ...(bits === undefined ? {} : { bitsPerWeight: bits }),
    runtimes: isGguf ? ['llama.cpp', 'Ollama', 'LM Studio'] : (writer?.runtimes ?? []),
  };
}
