import type { Rung } from './rungs';

/** What a plan costs: the predicted KL divergence (nats per token), or, where gains are unknown, the error weighted by role. */
export type PlanMeasure = 'divergence' | 'roleError';

/** A point of the chart of sizes and losses. */
export interface FrontPoint {
  /** Tensor data of the whole model. */
  readonly bytes: number;
  /** Of the assigned tensors. */
  readonly bitsPerWeight: number;
  /** In the measure of the front. */
  readonly loss: number;
}

/** A preset of llama.cpp by the same figures. */
export interface PresetPoint extends FrontPoint {
  readonly fileType: string;
}

/** The best plans of all sizes that meet the constraints. */
export interface PlanFront {
  readonly measure: PlanMeasure;
  /** Optimal plans, the smallest first; a sample of them where there are many. */
  readonly points: readonly FrontPoint[];
  /** Presets whose types were all measured, whether or not they meet the constraints. */
  readonly presets: readonly PresetPoint[];
  /** Places of the tensors that a constraint applies to, and of those whose format it leaves no choice of. */
  readonly constrained: readonly number[];
  readonly pinned: readonly number[];
}

/** A format that a tensor could have instead. */
export interface FormatOption {
  readonly format: string;
  readonly bitsPerWeight: number;
  readonly bytes: number;
  readonly relativeSquaredError: number;
  /** Loss that the tensor causes in this format. */
  readonly loss: number;
  /**
   * Loss of the whole plan at the same size if the tensor had this format, less that of the plan: bytes are counted at the plan's price.
   * Absent where the plan's own format was not measured.
   */
  readonly cost?: number;
  /** Constraints that rule it out, as the command line takes them. */
  readonly ruledOutBy: readonly string[];
}

/** Why a tensor has its format. */
export interface FormatReasons {
  readonly tensor: string;
  /** Tensors that have the same format by a constraint, this one among them; sizes and losses are those of all. */
  readonly together: readonly string[];
  readonly format: string;
  readonly measure: PlanMeasure;
  /** What losses rest on: the lowest rung of the tensors. */
  readonly rung: Rung;
  /** Loss that a further byte saves elsewhere at the size of the plan. */
  readonly price: number;
  /** All formats that were measured, the smallest first. */
  readonly options: readonly FormatOption[];
  /** The format that the plan would lose least by, of those that meet the constraints; absent where there is no other. */
  readonly runnerUp?: string;
  /** Whether a release takes something back: a pin or an exclusion that is about these tensors alone. */
  readonly isReleasable: boolean;
}

/** What the user decides of the format of some tensors; without a format it is about the one that each has. */
export type FormatBinding =
  | { readonly kind: 'pin' | 'exclude'; readonly format?: string }
  /** Takes back what is about these tensors alone. */
  | { readonly kind: 'release'; readonly format?: undefined };
