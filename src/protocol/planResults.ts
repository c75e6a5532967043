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
