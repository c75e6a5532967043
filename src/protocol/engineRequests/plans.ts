import type { CertifyEstimate } from '../certificate';
import type { DocumentCheck } from '../documentCheck';
import type { CertifyParams } from '../evaluation';
import type { LoadedModel } from '../loadedModel';
import type { ModelRef } from '../model';
import type { Plan, SensitivityTable } from '../plan';
import type { CertifiedPlan, GroupSuggestion, ModelSizes, PlanBeside } from '../planResults';
import type { RecommendedPlan, RecommendParams } from '../recommend';
import type { RivalOfModel } from '../rivalFile';
import type { SavedPlan } from '../savedPlans';
import type { SensitivityEstimate, SensitivityParams, StoredParams } from '../sensitivityRun';

/** Measurements that plans are made of, plans, and their texts. */
export interface PlanRequests {
  /** The same about several tensors of the exported file, with estimates; undefined where a plan chooses no format for any of them. */
  'group/suggestion': {
    params: StoredParams & { rows: readonly string[] };
    result: GroupSuggestion | undefined;
  };
  /** The size of a model now and by its plan, or by one of the usual size. */
  'model/sizes': { params: StoredParams; result: ModelSizes };
  /** The text of a plan or recipe, checked against the first of some models that it is for. @param file path, whose ending says what it is. */
  'document/check': {
    params: { text: string; file: string; paths: readonly string[] };
    result: DocumentCheck;
  };
  /** What a run would do and its estimated time, before it is started. */
  'sensitivity/estimate': { params: SensitivityParams; result: SensitivityEstimate };
  'sensitivity/run': { params: SensitivityParams; result: SensitivityTable };
  /**
   * What earlier runs left on disk; undefined when nothing was measured yet. For a CPU (the default) with the rounding of inputs,
   * as far as a run has measured it.
   */
  'sensitivity/stored': {
    params: StoredParams;
    result: SensitivityTable | undefined;
  };
  /**
   * A plan file applied to the model: checked against it, with sizes and totals recomputed. `planText`: what counts instead of the text in that file, an
   * earlier version of it for example.
   */
  'plan/read': { params: ModelRef & { planFile: string; planText?: string }; result: Plan };
  /**
   * The first plan file next to the model, in the order of their names, that is for it; as `plan/read` returns it. With `planFile` no other
   * is tried.
   */
  'plan/beside': { params: ModelRef & { planFile?: string }; result: PlanBeside };
  /** All plans in the folder of a model that are for it; files that cannot be used are left out. */
  'plan/list': { params: ModelRef; result: readonly SavedPlan[] };
  /** What the memory of plans of a model depends on at run time besides the formats that they choose. `isOptimised`: for optimised codes. */
  'plan/loaded': { params: ModelRef & { imatrix?: string; isOptimised: boolean }; result: LoadedModel };
  /** A plan measured as a whole, with its certificate. */
  'plan/certify': { params: CertifyParams; result: CertifiedPlan };
  /** What that would take. */
  'plan/certifyEstimate': { params: CertifyParams; result: CertifyEstimate };
  /**
   * What a GGUF file of the same base gives the tensors that a plan of the model chooses formats for. `isOptimised`: for a plan with optimised
   * codes.
   */
  'plan/rival': {
    params: ModelRef & { rival: string; imatrix?: string; isOptimised: boolean };
    result: RivalOfModel;
  };
  /** The best plan of a model for a goal; measures what is not kept, and writes a file only where one is named. */
  'plan/recommend': { params: RecommendParams; result: RecommendedPlan };
}
