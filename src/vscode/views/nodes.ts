import type { RunningJob } from '../../engine/client';
import type { KeptEvaluation, KeptMeasurements, MadeFile } from '../../protocol/besideModel';
import type { LocatedModel } from '../../protocol/model';
import type { SavedPlan } from '../../protocol/savedPlans';

/**
 * What the tree of models shows. Menus hand nodes on to commands as their argument: `model` names the model that the command is about, and
 * `plan` its plan.
 */
export type ModelsNode =
  | { readonly kind: 'model'; readonly model: string; readonly located: LocatedModel }
  | { readonly kind: 'group'; readonly model: string; readonly group: Group; readonly nodes: ModelsNode[] }
  | { readonly kind: 'plan'; readonly model: string; readonly plan: string; readonly saved: SavedPlan }
  | { readonly kind: 'measurements'; readonly model: string; readonly measured: KeptMeasurements }
  | { readonly kind: 'evaluation'; readonly model: string; readonly evaluation: KeptEvaluation }
  /** A file, which is a model of its own, and the one that it was made of. */
  | { readonly kind: 'made'; readonly model: string; readonly of: string; readonly made: MadeFile }
  | { readonly kind: 'note'; readonly model: string; readonly failure?: string };

export type Group = 'plans' | 'analyses' | 'made';

/** A job of the list, which a menu hands on to the command that cancels it. */
export interface JobNode {
  readonly kind: 'job';
  readonly job: number;
}

/** The jobs that work on a model, named by any of its files or its folder. */
export function jobsOf(
  jobs: readonly RunningJob[],
  { file, folder, files }: LocatedModel,
): readonly RunningJob[] {
  const paths = new Set([file, ...files]);
  // A folder may hold several models.
  const isFolder = (path: string): boolean => path === folder && files.length > 1;
  return jobs.filter(({ path }) => path !== undefined && (paths.has(path) || isFolder(path)));
}
