import { sourcesOf } from '../../architectures/convertedTensor';
import { ggmlType } from '../../model/dtypes';
import { closest } from '../../model/closest';
import type { JsonDocument } from '../../model/jsonDocument';
import type { DocumentFault, Span } from '../../protocol/documentCheck';
import { said } from '../../protocol/said';
import { fault, replaced, type CheckedModel } from './faults';
import type { PlanDocument, StatedAssignment } from './planDocument';

/** Unknown tensors for which the meant one is looked for, among all others letter by letter. */
const maxSuggested = 50;

/** Tensors named in a message. */
const maxNamed = 5;

/** Tensors that the model does not have, that are assigned twice, or that no assignment is for. */
export function tensorFaults(document: PlanDocument, model: CheckedModel | undefined): DocumentFault[] {
  return [
    ...duplicates(document),
    ...(model ? unknownTensors(document, model) : []),
    ...(model ? unlisted(document, model) : []),
  ];
}

function duplicates({ json, assignments }: PlanDocument): DocumentFault[] {
  const seen = new Set<string>();
  return assignments.flatMap(({ tensor, index }) => {
    if (!seen.has(tensor)) {
      seen.add(tensor);
      return [];
    }
    const removal = json.removal(['assignments'], index);
    return fault(
      'tensor/twice',
      'error',
      json.span('assignments', index, 'tensor'),
      said`The tensor "${tensor}" is assigned twice.`,
      [{ ...removal, text: '', title: said`Remove this assignment` }],
    );
  });
}

function unknownTensors(
  { json, assignments }: PlanDocument,
  { candidates, byName }: CheckedModel,
): DocumentFault[] {
  const unknown = assignments.filter(({ tensor }) => !byName.has(tensor));
  if (unknown.length === 0) return [];
  const { notExportable } = candidates;
  if (notExportable !== undefined && unknown.length > 1) {
    // Names of an exported file: a fault of the model, which each of them would only repeat.
    const message = said`${unknown.length} of these tensors are not in the model, which cannot be exported as GGUF: ${notExportable}`;
    return [fault('tensor/unknown', 'error', beginningOf(json), message)];
  }
  const names = [...byName.keys()];
  const bySource = new Map(
    candidates.tensors.flatMap(({ converted }) =>
      sourcesOf(converted).map(({ name }) => [name, converted.name] as const),
    ),
  );
  const assigned = new Set(assignments.map(({ tensor }) => tensor));
  const free = names.filter((name) => !assigned.has(name));
  return unknown.map((item: StatedAssignment, i) => {
    const span = json.span('assignments', item.index, 'tensor');
    const exported = bySource.get(item.tensor);
    const near =
      exported ??
      (i < maxSuggested ? (closest(item.tensor, free) ?? closest(item.tensor, names)) : undefined);
    const message =
      exported === undefined
        ? said`The model has no tensor "${item.tensor}" that a plan can choose a format for.`
        : said`"${item.tensor}" is a tensor of the checkpoint; in the exported file it is "${exported}".`;
    const fixes = near === undefined ? [] : [replaced(span, near, said`Change to ${near}`)];
    return fault('tensor/unknown', 'error', span, message, fixes);
  });
}

function unlisted({ json, assignments }: PlanDocument, { candidates }: CheckedModel): DocumentFault[] {
  const assigned = new Set(assignments.map(({ tensor }) => tensor));
  const left = candidates.tensors.filter(
    ({ converted, lossless }) =>
      !assigned.has(converted.name) && (ggmlType(lossless.format)?.block ?? 1) === 1,
  );
  if (left.length === 0 || assignments.length === 0) return [];
  const names = left.slice(0, maxNamed).map(({ converted }) => converted.name);
  const more = left.length > maxNamed ? said` and ${left.length - maxNamed} more` : '';
  const listed = names.join(', ');
  const message =
    left.length === 1
      ? said`One tensor has no assignment and will be F16: ${listed}.`
      : said`${left.length} tensors have no assignment and will be F16: ${listed}${more}.`;
  return [fault('tensor/unlisted', 'information', beginningOf(json), message)];
}

/** Where the list of assignments begins. */
function beginningOf(json: JsonDocument): Span {
  const { start } = json.span('assignments');
  return { start, end: start + 1 };
}
