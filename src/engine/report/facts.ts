import { modelLimits } from '../../architectures/modelLimits';
import type { Model } from '../../model/model';
import { tensorTable } from '../../model/packTensors';
import { bytesByRole, type AreaShare } from '../../protocol/bytesByRole';
import type { EvaluationResult } from '../../protocol/evaluation';
import { findingsOf, type Finding } from '../../protocol/findings';
import type { ModelDescription } from '../../protocol/model';
import type { ModelScan } from '../../protocol/modelScan';
import type { ModelIdentity } from '../../protocol/overview';
import { placedTensors } from '../../protocol/parts';
import type { Plan, SensitivityTable } from '../../protocol/plan';
import { overviewOf } from '../modelFacts';

/** All that a report says of a model. */
export interface ReportFacts {
  readonly model: ModelDescription;
  readonly identity: ModelIdentity;
  readonly areas: readonly AreaShare[];
  /** What is odd about it, and what cannot be done with it. */
  readonly findings: readonly Finding[];
  readonly kept: KeptFacts;
}

/** What earlier runs measured of it, as far as it is kept. */
export interface KeptFacts {
  readonly evaluations: readonly EvaluationResult[];
  readonly sensitivity?: SensitivityTable | undefined;
  /** Figures of its tensors, as far as they were scanned. */
  readonly scan?: ModelScan | undefined;
  /** The plan next to it, and its file. */
  readonly plan?: { readonly file: string; readonly plan: Plan } | undefined;
}

/** A report in one of its forms. */
export interface WrittenReport {
  readonly text: string;
  /** Headings of what there was to report. */
  readonly sections: readonly string[];
}

/** @throws QuantscopeError IO, CANCELLED. */
export async function reportFacts(model: Model, kept: KeptFacts, signal?: AbortSignal): Promise<ReportFacts> {
  const { description } = model;
  const table = tensorTable(description);
  return {
    model: description,
    identity: await overviewOf(model, signal),
    areas: bytesByRole(placedTensors(table), 'bytes'),
    findings: findingsOf(description, table, modelLimits(model)),
    kept,
  };
}
