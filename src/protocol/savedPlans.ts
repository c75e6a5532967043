import type { Certificate } from './certificate';
import type { Columns } from './columns';
import type { Plan, PlanAssignment } from './plan';

/** A plan file next to a model, without its assignments. */
export interface SavedPlan {
  /** Absolute. */
  readonly file: string;
  readonly total: Plan['total'];
  /** What was measured of it as a whole. */
  readonly certificate?: Certificate;
}

/** What a plan is compared with: the types of a preset, a plan file, or the GGUF file that it is to beat. */
export type OtherChoice =
  | { readonly kind: 'preset'; readonly fileType: string }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'rival'; readonly file: string };

/** The other side of a comparison of plans. */
export interface OtherPlan {
  /** The file type, or the file without its folder. */
  readonly name: string;
  readonly total: Plan['total'];
  readonly assignments: Columns<PlanAssignment>;
}
