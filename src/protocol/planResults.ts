import type { Certificate } from './certificate';
import type { Plan, PlanAssignment, SensitivityRow } from './plan';

/** A plan and the file that it was read from. */
export interface FoundPlan {
  readonly file: string;
  readonly plan: Plan;
}

export interface CertifiedPlan {
  readonly plan: Plan & { readonly certificate: Certificate };
  /** Why the measurements are not kept for later; absent when they are. */
  readonly notKept?: string;
}

export interface PlanBeside {
  readonly found?: FoundPlan;
  /** Why plan files that were tried cannot be used; those for other models are not mentioned. */
  readonly problems: readonly string[];
}

export interface TensorSuggestion {
  /** Nothing of it was measured: figures are those of normally distributed weights, from headers alone. */
  readonly isEstimate?: true;
  readonly row?: SensitivityRow;
  /** What the figures of the row rest on, in words. */
  readonly evidence?: string;
  /** Divergences of the row below it are not meaningful, nats per token. */
  readonly noise?: number;
  readonly assignment?: PlanAssignment;
  /** What the plan of the assignment rests on, in words. */
  readonly plannedBy?: string;
  /** How that plan was measured otherwise than the row, as `differencesText`. */
  readonly differences?: readonly string[];
}

/** What the measurements and the plan of a model say about some of its tensors. */
export interface GroupSuggestion extends Pick<
  TensorSuggestion,
  'isEstimate' | 'plannedBy' | 'evidence' | 'differences'
> {
  /** Of the exported file, those that a format is chosen for. */
  readonly tensors: number;
  /** Formats of the plan, the one with the fewest bits first. */
  readonly formats: readonly {
    readonly format: string;
    readonly bitsPerWeight: number;
    readonly tensors: number;
  }[];
  /** Of these tensors without loss, and by the plan. */
  readonly lossless: number;
  readonly bytes: number;
  /** Of all of them by the plan. */
  readonly bitsPerWeight: number;
  /** Largest and smallest square root of the relative squared error by the plan; absent where none was measured. */
  readonly errors?: { readonly least: number; readonly most: number };
}

/** A model as its files are, and as a plan would have it. */
export interface ModelSizes {
  readonly name: string;
  /** Of the data of its tensors. */
  readonly bytes: number;
  readonly parameters: number;
  /** Of the dtypes, the one that takes most bytes. */
  readonly dtype?: string;
  /** Files of weights that the folder lacks. */
  readonly missingFiles: number;
  readonly planned?: {
    /** Of the data of the exported file's tensors. */
    readonly bytes: number;
    /** Of the tensors that a format is chosen for. */
    readonly bitsPerWeight: number;
    /** File of the plan, without its folder; absent for the solver's. */
    readonly file?: string;
    readonly isEstimate?: true;
  };
}
