import type { FitRequest, FitUse } from './fit';
import type { Budget, Plan } from './plan';
import type { SensitivityParams } from './sensitivityRun';
import type { Targets } from './targets';

/** The smallest divergence within a budget or a memory, or the smallest file that keeps targets. */
export type PlanGoal =
  { readonly budget: Budget } | { readonly targets: Targets } | { readonly fit: FitRequest };

export interface RecommendParams extends SensitivityParams {
  readonly goal: PlanGoal;
  /** The `*.ampq.json` file to write; nothing is written where it is absent. Replaced atomically. */
  readonly out?: string;
}

/** A plan, and what it takes when it runs where that was asked for. */
export interface Planned {
  readonly plan: Plan;
  readonly use?: FitUse;
}

export interface RecommendedPlan extends Planned {
  /** Divergences below it are not meaningful, nats per token; where gains were measured. */
  readonly noise?: number;
  /** What was measured besides what was asked for, and why, as sentences. */
  readonly notes: readonly string[];
}
