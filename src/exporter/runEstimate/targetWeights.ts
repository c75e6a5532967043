import type { ModelHeaders } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { Plan } from '../../protocol/plan';
import type { RunTarget } from '../../protocol/runEstimate';
import { said } from '../../protocol/said';
import { presetById } from '../../recipes/resolveRecipe';
import { planRecipe } from '../checkpoint/plan';
import { planExport } from '../plan';
import { fileTypeNamed, fileTypeNeedsImportance } from '../plan/fileTypes';

/** A tensor as a target stores it: all that the memory and the traffic of a run depend on. */
export interface TargetTensor {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
}

/** The weights of a model in a target, and how that is called. */
export interface TargetWeights {
  readonly label: string;
  readonly tensors: readonly TargetTensor[];
}

/**
 * The sizes of all tensors of a target, from headers: those of the dry runs of exports.
 * @param readPlan reads a plan file.
 * @throws QuantscopeError as `planExport` and `planRecipe`.
 */
export async function targetWeights(
  model: Model,
  target: RunTarget,
  readPlan: (file: string) => Promise<Plan>,
  signal?: AbortSignal,
): Promise<TargetWeights> {
  switch (target.kind) {
    case 'stored':
      return { label: 'as stored', tensors: storedTensors(model) };
    case 'recipe':
      return recipeWeights(model, target.recipe);
    case 'type':
      return { label: target.type, tensors: await typeTensors(model, target.type, signal) };
    case 'plan': {
      const plan = await readPlan(target.planFile);
      const codes = plan.codes ? { codes: 'optimised' as const } : {};
      const settings = { plan, allowRequantize: true, ...codes };
      return { label: 'plan', tensors: exported(await planExport(model, settings, signal)) };
    }
  }
}

const storedTensors = ({ description }: Pick<ModelHeaders, 'description'>): TargetTensor[] =>
  description.tensors.map(({ name, elements, byteLength }) => ({ name, elements, bytes: byteLength }));

function recipeWeights(model: Model, id: string): TargetWeights {
  const recipe = presetById(id);
  if (recipe.target === 'gguf')
    throw new QuantscopeError(
      'REQUEST',
      said`The recipe ${id} makes a GGUF file: name its file type instead.`,
    );
  const { tensors } = planRecipe(model, recipe);
  return {
    label: recipe.label,
    tensors: tensors.map(({ tensor, bytes }) => ({ name: tensor.name, elements: tensor.elements, bytes })),
  };
}

/** Types that need an importance matrix have the sizes that one leads to. */
async function typeTensors(
  model: Model,
  name: string,
  signal: AbortSignal | undefined,
): Promise<TargetTensor[]> {
  const type = fileTypeNamed(name);
  const codes = fileTypeNeedsImportance(type) ? { codes: 'optimised' as const } : {};
  return exported(await planExport(model, { type: type.name, allowRequantize: true, ...codes }, signal));
}

const exported = ({ tensors }: Awaited<ReturnType<typeof planExport>>): TargetTensor[] =>
  tensors.map(({ name, shape, bytes }) => ({
    ...{ name, bytes },
    elements: shape.reduce((product, size) => product * size, 1),
  }));
