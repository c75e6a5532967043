import type { DigestManifest } from '../../files/digests/manifest';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { Recipe } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { explained, parseRecipe } from '../../recipes/readRecipe';
import { CheckpointRun, type RunOptions } from '../checkpoint/checkpointRun';
import { biasOf } from '../checkpoint/keptRows';
import { planCheckpoint, type CheckpointPlan } from '../checkpoint/plan';
import type { Remake } from './repairFile';

export interface CheckpointRemakeOptions {
  /** Finds what the methods of the recipe need to know of the inputs. */
  readonly prepare: (plan: CheckpointPlan) => Promise<Pick<RunOptions, 'evidence' | 'transforms'>>;
  readonly signal: AbortSignal;
}

/**
 * Quantizes matrices of a checkpoint again, and copies its other tensors.
 * @throws QuantscopeError MODEL_FILE where the list of digests has no recipe; what planning and methods throw.
 */
export function remakeCheckpoint(
  model: Model,
  { origin }: DigestManifest,
  file: string,
  { prepare, signal }: CheckpointRemakeOptions,
): Remake {
  const recipe = recipeOf(origin?.settings?.['recipe'], file);
  return async (names, write) => {
    const plan = planCheckpoint(model, recipe);
    const run = new CheckpointRun(model, plan, { ...(await prepare(plan)), signal });
    const isWanted = (name: string): boolean => names.has(name);
    for (const unit of plan.tensors) {
      // What is added to a bias is known once its matrix is quantized.
      const bias = unit.matrix && biasOf(unit.matrix.weight.name);
      const parts = unit.parts.map(({ name }) => name);
      if (![...parts, ...(bias === undefined ? [] : [bias])].some(isWanted)) continue;
      await run.writeUnit({ write }, unit);
    }
  };
}

function recipeOf(recipe: unknown, file: string): Recipe {
  if (recipe !== undefined) return explained(() => parseRecipe(recipe), file);
  throw new QuantscopeError(
    'MODEL_FILE',
    said`The list of digests does not say by which recipe the file was made.`,
    {
      file,
    },
  );
}
