import { closest } from '../../model/closest';
import { matrixOf } from '../../model/rows';
import type { DocumentFault, TextFix } from '../../protocol/documentCheck';
import { said } from '../../protocol/said';
import { findFormat, formats } from '../../quant/catalogue';
import { bytesIn, isRowOf, type Candidate } from '../candidates';
import { planFormats } from '../bindPlan';
import { fault, replaced, type BoundAssignment, type CheckedModel } from './faults';
import type { PlanDocument } from './planDocument';
import { remembered } from './remembered';

/** Formats offered in place of one that does not fit. */
const maxOffered = 3;

/** The id of a format as a plan names it; undefined where there is none. */
export const formatId = (name: string): string | undefined =>
  name.toLowerCase() === 'f32' ? 'F32' : findFormat(name)?.id;

/** Formats that do not exist or that rows do not fit; and the assignments that can be applied. */
export function formatFaults(
  document: PlanDocument,
  model: CheckedModel | undefined,
): { readonly faults: readonly DocumentFault[]; readonly bound: readonly BoundAssignment[] } {
  const { json, assignments } = document;
  const faults = listedFaults(document);
  const idOf = remembered(formatId);
  const bound: BoundAssignment[] = [];
  for (const item of assignments) {
    const id = idOf(item.format);
    const candidate = model?.byName.get(item.tensor);
    if (id === undefined) {
      faults.push(unknownFormat(item.format, json.span('assignments', item.index, 'format')));
      continue;
    }
    if (!candidate) continue;
    const { rows, columns } = matrixOf(candidate.converted.shape);
    if (isRowOf(id, columns)) {
      const bytes = bytesIn(id, candidate.converted.shape);
      const { index, tensor } = item;
      const bitsPerWeight = (8 * bytes) / (rows * columns);
      bound.push({ index, tensor, candidate, format: id, bytes, bitsPerWeight });
      continue;
    }
    const span = json.span('assignments', item.index, 'format');
    const message = said`${id} cannot hold ${item.tensor}: its rows have ${columns} weights, which is not a multiple of the format's block.`;
    faults.push(fault('format/shape', 'error', span, message, fittingFixes(id, candidate, span)));
  }
  return { faults, bound };
}

function unknownFormat(name: string, span: { start: number; end: number }): DocumentFault {
  const near = closest(name, planFormats);
  const message = said`The format "${name}" does not exist.`;
  const fixes = near === undefined ? [] : [replaced(span, near, said`Change to ${near}`)];
  return fault('format/unknown', 'error', span, message, fixes);
}

/** Formats of the plan's own list, and of constraints. */
function listedFaults({ json, constraints }: PlanDocument): DocumentFault[] {
  const faults: DocumentFault[] = [];
  const check = (...path: readonly (string | number)[]): void => {
    for (let i = 0; i < json.lengthAt(...path); i++) {
      const name = json.valueAt(...path, i);
      if (typeof name === 'string' && formatId(name) === undefined)
        faults.push(unknownFormat(name, json.span(...path, i)));
    }
  };
  check('formats');
  for (const { index } of constraints)
    for (const key of ['allow', 'exclude']) check('constraints', index, key);
  return faults;
}

/** The formats of the same family that rows fit, nearest in size first. */
function fittingFixes(
  id: string,
  { converted: { shape } }: Candidate,
  span: { start: number; end: number },
): TextFix[] {
  const wanted = findFormat(id)!;
  return formats
    .filter((format) => format.family === wanted.family && format.refuse(shape) === undefined)
    .map((format) => ({ format, away: Math.abs(format.nominalBitsPerWeight - wanted.nominalBitsPerWeight) }))
    .sort((a, b) => a.away - b.away)
    .slice(0, maxOffered)
    .map(({ format }) =>
      replaced(
        span,
        format.id,
        said`Change to ${format.id} (${format.bitsPerWeight(shape).toFixed(2)} bits)`,
      ),
    );
}
