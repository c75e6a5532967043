import type { JsonDocument } from '../../model/jsonDocument';
import type { DocumentFault, DocumentHint } from '../../protocol/documentCheck';
import { said } from '../../protocol/said';
import { budgetFaults } from './budgetFaults';
import { constraintFaults } from './constraintFaults';
import { fault, type CheckedModel } from './faults';
import { formatFaults } from './formatFaults';
import { planHints } from './planHints';
import { readPlanDocument, type PlanDocument } from './planDocument';
import { runtimeFaults } from './runtimeFaults';
import { tensorFaults } from './tensorFaults';

/**
 * All faults of the text of a plan, and the bits and bytes of its assignments. Syntax and shape are told by the JSON schema.
 * @param model the one that the plan was made for; without it only what the text alone shows is found.
 * @param others names of models beside the plan, none of which it was made for.
 */
export function checkPlanText(
  json: JsonDocument,
  model: CheckedModel | undefined,
  others: readonly string[] = [],
): { readonly faults: readonly DocumentFault[]; readonly hints: readonly DocumentHint[] } {
  const document = readPlanDocument(json);
  const { faults: ofFormats, bound } = formatFaults(document, model);
  const { faults: ofConstraints, met } = constraintFaults(document, bound);
  const faults = [
    ...otherModel(document, model, others),
    ...tensorFaults(document, model),
    ...ofFormats,
    ...ofConstraints,
    ...runtimeFaults(document, bound, met),
    ...(model ? budgetFaults(document, model.candidates, bound) : []),
  ];
  return { faults: faults.sort((a, b) => a.start - b.start), hints: planHints(document, bound) };
}

function otherModel(
  { json }: PlanDocument,
  model: CheckedModel | undefined,
  others: readonly string[],
): DocumentFault[] {
  const hash = json.valueAt('model', 'hash');
  if (model || others.length === 0 || typeof hash !== 'string') return [];
  const name = json.valueAt('model', 'name');
  const made = typeof name === 'string' ? ` ("${name}")` : '';
  const message = said`The plan was made for another model${made} than ${others.join(', ')}: none of these has its hash. Exports refuse it.`;
  return [fault('model/other', 'warning', json.span('model', 'hash'), message)];
}
