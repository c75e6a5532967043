import type { Certificate } from './certificate';
import type { Columns } from './columns';
import type { Plan, PlanAssignment } from './plan';
import { predictionRung, type Rung } from './rungs';

/** A plan file, without its assignments. */
export interface SavedPlan {
  /** Absolute. */
  readonly file: string;
  readonly total: Plan['total'];
  /** What its predictions rest on. */
  readonly rung: Rung;
  /** Of a plan that was measured in this window and has no file next to the model. */
  readonly isUnsaved?: true;
  /** What was measured of it as a whole. */
  readonly certificate?: Certificate;
}

/** A plan file as a page lists it. */
export const savedPlan = (file: string, plan: Plan): SavedPlan => ({
  ...{ file, total: plan.total, rung: predictionRung(plan) },
  ...(plan.certificate ? { certificate: plan.certificate } : {}),
});

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
  /** What its predictions rest on. */
  readonly rung: Rung;
  readonly assignments: Columns<PlanAssignment>;
}
