import { sourcesOf, type ConvertedTensor } from '../architectures/convertedTensor';
import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { modelHash } from '../model/identity';
import { imatrixHash, type Imatrix } from '../model/imatrix';
import { matrixOf } from '../model/rows';
import type { ModelDescription } from '../protocol/model';
import { fileBytesOf } from '../protocol/fileFrame';
import type { Plan, PlanAssignment } from '../protocol/plan';
import { said } from '../protocol/said';
import { findFormat, formats } from '../quant/catalogue';
import { assignmentDigest } from './assignmentDigest';
import { totalOf } from './totals';
import { bytesIn, isRowOf, unlistedBytes, weightsOf, type Candidate, type Candidates } from './candidates';

/** @throws QuantscopeError REQUEST for a plan that was made for another model. */
export function checkPlanModel({ model }: Plan, description: ModelDescription): void {
  const hash = modelHash(description);
  if (model.hash === hash) return;
  const message = said`The plan was made for another model: "${model.name}" with the hash ${model.hash.slice(0, 12)}…; this one has ${hash.slice(0, 12)}…. Make a plan for this model.`;
  throw new QuantscopeError('REQUEST', message, { file: description.path });
}

/**
 * @param imatrix what of an importance matrix the weights are encoded with.
 * @throws QuantscopeError REQUEST for a plan whose errors were measured with another importance matrix.
 */
export function checkPlanImatrix(
  { imatrix: planned }: Plan,
  imatrix: Imatrix | undefined,
  file: string,
): void {
  if (!planned) return;
  const name = `${planned.file} (${planned.hash.slice(0, 12)}…)`;
  const made = said`The plan was made with the importance matrix ${name}, and its types were chosen for weights that are encoded with it`;
  if (!imatrix) throw new QuantscopeError('REQUEST', said`${made}: give the same matrix.`, { file });
  const hash = imatrixHash(imatrix);
  if (hash === planned.hash) return;
  const message = said`${made}; this one is another, or not all of it is used (${hash.slice(0, 12)}…). Give the same matrix, or make a plan with this one.`;
  throw new QuantscopeError('REQUEST', message, { file: imatrix.path });
}

/**
 * @param tensors those that a plan can give a format.
 * @throws QuantscopeError REQUEST for a plan that names another tensor.
 */
export function checkNames(plan: Plan, tensors: readonly ConvertedTensor[], file: string): void {
  const known = new Set(tensors.map(({ name }) => name));
  const stranger = plan.assignments.find(({ tensor }) => !known.has(tensor))?.tensor;
  if (stranger === undefined) return;
  const whole = tensors.find((tensor) => sourcesOf(tensor).some(({ name }) => name === stranger));
  const message = whole
    ? said`The plan names a tensor of the checkpoint; in the exported file it is "${whole.name}".`
    : said`The plan names a tensor that the model does not have, or that is kept in full precision.`;
  throw new QuantscopeError('REQUEST', message, { file, tensor: stranger });
}

/**
 * The id of a plan's format: one of the catalogue, a grid by its name, in any case, or F32.
 * @throws QuantscopeError REQUEST for a format that does not exist, with those that do, or that rows do not fit.
 */
export function checkedFormat(
  format: string,
  shape: readonly number[],
  place: { readonly file: string; readonly tensor: string },
): string {
  const known = format.toLowerCase() === 'f32' ? 'F32' : findFormat(format)?.id;
  if (known === undefined)
    throw new QuantscopeError(
      'REQUEST',
      said`The plan's format "${format}" does not exist.${suggestion(format, planFormats)} The formats are: ${planFormats.join(', ')}, and grids by their names.`,
      place,
    );
  const { columns } = matrixOf(shape);
  if (isRowOf(known, columns)) return known;
  const message = said`The plan specifies ${known}, but the row length (${columns}) is not a multiple of its block size.`;
  throw new QuantscopeError('REQUEST', message, place);
}

/** Formats that a plan may assign to a tensor, besides grids by their names. */
export const planFormats: readonly string[] = [...formats.map(({ id }) => id), 'F32'];

/**
 * A plan applied to this model: sizes and totals computed from the formats that the plan names, whatever the file states, so
 * that a format that was changed by hand counts. Figures that need an unknown error are absent, and so is a certificate of other formats.
 * @param file that errors name: the plan's, where it is known.
 * @throws QuantscopeError REQUEST for another model's plan, a tensor that no format can be chosen for, or a format that does not exist
 * or fit.
 */
export function bindPlan(
  plan: Plan,
  description: ModelDescription,
  candidates: Candidates,
  file = description.path,
): Plan {
  checkPlanModel(plan, description);
  checkNames(
    plan,
    candidates.tensors.map(({ converted }) => converted),
    file,
  );
  const byName = new Map(candidates.tensors.map((candidate) => [candidate.converted.name, candidate]));
  const assignments = plan.assignments.map((item) => bind(item, byName.get(item.tensor)!, file));
  const assigned = new Set(assignments.map(({ tensor }) => tensor));
  const unlisted = candidates.tensors.filter(({ converted }) => !assigned.has(converted.name));
  const weights = assignments.map(({ tensor }) => {
    const candidate = byName.get(tensor)!;
    return { weights: weightsOf(candidate), roleFactor: candidate.roleFactor };
  });
  const others = unlisted.map(unlistedBytes);
  const sizes = [...assignments.map(({ bytes }) => bytes), ...others];
  const { certificate, ...rest } = plan;
  const isCertified = certificate?.assignments === assignmentDigest({ ...plan, assignments });
  return {
    ...rest,
    ...(isCertified ? { certificate } : {}),
    model: { ...plan.model, parameters: sum(candidates.tensors, weightsOf) + candidates.fixedParameters },
    total: {
      ...totalOf(assignments, weights, candidates.fixedBytes + sum(others, (bytes) => bytes)),
      ...(plan.frame ? { fileBytes: fileBytesOf(plan.frame, sizes) } : {}),
    },
    assignments,
  };
}

function bind(item: PlanAssignment, { converted }: Candidate, file: string): PlanAssignment {
  const { shape } = converted;
  const format = checkedFormat(item.format, shape, { file, tensor: item.tensor });
  const { rows, columns } = matrixOf(shape);
  const bytes = bytesIn(format, shape);
  return {
    ...item,
    sources: sourcesOf(converted).map(({ name }) => name),
    ...{ format, bytes, bitsPerWeight: (8 * bytes) / (rows * columns) },
  };
}

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
