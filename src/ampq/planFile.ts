import { basename } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { budgetFrom } from '../protocol/budget';
import { objectives } from '../protocol/export';
import type { PlanFit } from '../protocol/fit';
import type {
  Budget,
  FileFrame,
  GainsSample,
  GainsText,
  Plan,
  PlanAssignment,
  PlanConstraint,
  PlanPreset,
  SensitivityTable,
  UsedCodes,
  UsedImatrix,
} from '../protocol/plan';
import { planRung, rungText } from '../protocol/rungs';
import type { Targets } from '../protocol/targets';
import { parseCertificate } from './certificateFile';
import { Checker } from './planChecker';
import { parseFit } from './fitFile';
import { planNotes } from './planNotes';
import { solveBudget, type Assignment, type CountedFrame, type SolveOptions } from './solve';
import { stated } from '../model/statedValue';

/** What the name of a plan file ends with. */
export const planEnding = '.ampq.json';

/** The name with the extension of plans, once, whatever part of it a dialog has added. */
export const planFileName = (name: string): string => name.replace(/(\.ampq)*(\.json)*$/i, '') + planEnding;

/**
 * The best plan for a budget.
 * @param frame what else the file holds: counts against a budget in bytes, and gives the size of the file.
 * @throws QuantscopeError REQUEST as `solveBudget`.
 */
export function makePlan(
  table: SensitivityTable,
  budget: Budget,
  frame?: CountedFrame,
  options: SolveOptions & Omit<PlanTerms, 'budget' | 'frame'> = {},
): Plan {
  return planFrom(table, solveBudget(table, budget, frame, options), { ...options, budget, frame });
}

/** What a plan was solved for. */
interface PlanTerms {
  readonly budget: Budget;
  readonly frame: CountedFrame | undefined;
  readonly constraints?: readonly PlanConstraint[];
  readonly targets?: Targets;
  readonly fit?: PlanFit;
}

/** The plan of a solution. */
export function planFrom(table: SensitivityTable, solution: Assignment, terms: PlanTerms): Plan {
  const { assignments, total, preset } = solution;
  const { budget, frame, constraints = [], targets, fit } = terms;
  return {
    version: 2,
    model: { name: table.modelName, hash: table.modelHash, parameters: table.parameters },
    budget,
    ...(targets ? { targets } : {}),
    ...(fit ? { fit } : {}),
    total,
    ...(table.imatrix ? { imatrix: table.imatrix } : {}),
    ...(table.codes ? { codes: table.codes } : {}),
    ...(table.roundsActivations ? { roundsActivations: true } : {}),
    ...(table.gainsFrom ? { gains: gainsText(table.gainsFrom) } : {}),
    ...(constraints.length > 0 ? { constraints } : {}),
    ...(frame && !frame.isEstimate ? { frame } : {}),
    ...(preset ? { preset } : {}),
    notes: planNotes(table, solution, constraints),
    assignments,
  };
}

const gainsText = ({
  text,
  hash,
  tokens,
  context,
  loss,
  chance,
  by,
  model,
  sample,
}: GainsText): GainsText => ({
  ...{ text: basename(text), hash, tokens, context, loss, chance },
  ...(by ? { by } : {}),
  ...(model === undefined ? {} : { model }),
  ...(sample ? { sample } : {}),
});

/**
 * The plan as text: one assignment per line, so that two plans can be compared line by line. An error is written with the format that it
 * was measured in, so that it does not outlive a change of the format by hand.
 */
export function printPlan(plan: Plan): string {
  const { assignments, ...head } = plan;
  const { version, model, ...others } = head;
  const labelled = { version, model, evidence: rungText(planRung(plan), plan), ...others };
  const start = JSON.stringify(labelled, undefined, 2).slice(0, -'\n}'.length);
  const lines = assignments.map(({ relativeSquaredError: error, gain, ...item }) => {
    const measured = error === undefined ? {} : { error: { [item.format]: error } };
    return `    ${JSON.stringify({ ...item, ...measured, gain })}`;
  });
  return `${start},\n  "assignments": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/**
 * A plan from the JSON of its file; sizes and totals are those that the file states (`bindPlan` computes them again).
 * @param file named in errors.
 * @throws QuantscopeError MODEL_FILE naming the invalid place in the document.
 */
export function parsePlan(value: unknown, file: string): Plan {
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', `The plan is not valid: ${message}`, { file });
  const check = new Checker(fail);
  const plan = check.record(value, '$');
  if (plan['version'] === 1)
    throw fail('it was made by an earlier version, for the tensors of the checkpoint; create it again.');
  if (plan['version'] !== 2) throw fail(`$.version ${stated(plan['version'])}; this version reads 2.`);
  const model = check.record(plan['model'], '$.model');
  const assignments = check
    .list(plan['assignments'], '$.assignments')
    .map((item, i) => assignment(check, item, `$.assignments[${i}]`));
  refuseDuplicates(assignments, fail);
  return {
    version: 2,
    model: {
      name: check.string(model['name'], '$.model.name'),
      hash: check.string(model['hash'], '$.model.hash'),
      parameters: check.count(model['parameters'], '$.model.parameters'),
    },
    budget: budgetOf(check, plan['budget'], fail),
    ...(plan['targets'] === undefined ? {} : { targets: targetsOf(check, plan['targets'], fail) }),
    ...(plan['fit'] === undefined ? {} : { fit: parseFit(check, plan['fit'], '$.fit') }),
    total: totalOf(check, plan['total']),
    ...(plan['imatrix'] === undefined ? {} : { imatrix: imatrixOf(check, plan['imatrix']) }),
    ...(plan['codes'] === undefined ? {} : { codes: codesOf(check, plan['codes']) }),
    ...roundingOf(plan['roundsActivations'], fail),
    ...(plan['gains'] === undefined ? {} : { gains: gainsOf(check, plan['gains']) }),
    ...(plan['constraints'] === undefined
      ? {}
      : { constraints: constraintsOf(check, plan['constraints'], fail) }),
    ...(plan['frame'] === undefined ? {} : { frame: frameOf(check, plan['frame']) }),
    ...(plan['preset'] === undefined ? {} : { preset: presetOf(check, plan['preset']) }),
    ...(plan['certificate'] === undefined
      ? {}
      : { certificate: parseCertificate(check, plan['certificate'], '$.certificate') }),
    notes: check.strings(plan['notes'] ?? [], '$.notes'),
    assignments,
  };
}

function assignment(check: Checker, value: unknown, path: string): PlanAssignment {
  const item = check.record(value, path);
  const format = check.string(item['format'], `${path}.format`);
  const measured = item['error'] === undefined ? {} : check.record(item['error'], `${path}.error`);
  return {
    tensor: check.string(item['tensor'], `${path}.tensor`),
    sources: check.strings(item['sources'], `${path}.sources`),
    format,
    bitsPerWeight: check.number(item['bitsPerWeight'], `${path}.bitsPerWeight`),
    bytes: check.count(item['bytes'], `${path}.bytes`),
    ...check.optional('relativeSquaredError', measured[format], `${path}.error.${format}`),
    ...check.optional('gain', item['gain'], `${path}.gain`),
  };
}

function totalOf(check: Checker, value: unknown): Plan['total'] {
  const total = check.record(value, '$.total');
  return {
    bytes: check.count(total['bytes'], '$.total.bytes'),
    ...(total['fileBytes'] === undefined
      ? {}
      : { fileBytes: check.count(total['fileBytes'], '$.total.fileBytes') }),
    bitsPerWeight: check.number(total['bitsPerWeight'], '$.total.bitsPerWeight'),
    ...check.optional('error', total['error'], '$.total.error'),
    ...check.optional('roleError', total['roleError'], '$.total.roleError'),
    ...check.optional('divergence', total['divergence'], '$.total.divergence'),
  };
}

function imatrixOf(check: Checker, value: unknown): UsedImatrix {
  const imatrix = check.record(value, '$.imatrix');
  return {
    file: check.string(imatrix['file'], '$.imatrix.file'),
    hash: check.string(imatrix['hash'], '$.imatrix.hash'),
  };
}

function codesOf(check: Checker, value: unknown): UsedCodes {
  const codes = check.record(value, '$.codes');
  return {
    method: check.string(codes['method'], '$.codes.method'),
    text: check.string(codes['text'], '$.codes.text'),
    hash: check.string(codes['hash'], '$.codes.hash'),
    tokens: check.count(codes['tokens'], '$.codes.tokens'),
    objective: check.oneOf(codes['objective'] ?? 'two-sided', objectives, '$.codes.objective'),
  };
}

function roundingOf(
  value: unknown,
  fail: (message: string) => QuantscopeError,
): Pick<Plan, 'roundsActivations'> {
  if (value === undefined) return {};
  if (value === true) return { roundsActivations: true };
  throw fail('$.roundsActivations must be true or absent.');
}

function targetsOf(check: Checker, value: unknown, fail: (message: string) => QuantscopeError): Targets {
  const item = check.record(value, '$.targets');
  const targets: Targets = {
    ...check.optional('mean', item['mean'], '$.targets.mean'),
    ...check.optional('percentile99', item['percentile99'], '$.targets.percentile99'),
    ...check.optional('sameTopToken', item['sameTopToken'], '$.targets.sameTopToken'),
  };
  if ((targets.sameTopToken ?? 0) > 1) throw fail('$.targets.sameTopToken must be at most 1.');
  if (Object.keys(targets).length > 0) return targets;
  throw fail('$.targets must have one of mean, percentile99 and sameTopToken.');
}

function gainsOf(check: Checker, value: unknown): GainsText {
  const gains = check.record(value, '$.gains');
  return {
    text: check.string(gains['text'], '$.gains.text'),
    hash: check.string(gains['hash'], '$.gains.hash'),
    tokens: check.count(gains['tokens'], '$.gains.tokens'),
    context: check.count(gains['context'], '$.gains.context'),
    loss: check.number(gains['loss'], '$.gains.loss'),
    chance: check.number(gains['chance'], '$.gains.chance'),
    ...(gains['by'] === undefined ? {} : { by: check.oneOf(gains['by'], ['curvature'], '$.gains.by') }),
    ...(gains['model'] === undefined ? {} : { model: check.string(gains['model'], '$.gains.model') }),
    ...(gains['sample'] === undefined ? {} : { sample: sampleOf(check, gains['sample']) }),
  };
}

function sampleOf(check: Checker, value: unknown): GainsSample {
  const sample = check.record(value, '$.gains.sample');
  const deviation = sample['deviation'];
  return {
    measured: check.positive(sample['measured'], '$.gains.sample.measured'),
    blocks: check.positive(sample['blocks'], '$.gains.sample.blocks'),
    ...(deviation === undefined ? {} : { deviation: check.number(deviation, '$.gains.sample.deviation') }),
  };
}

function constraintsOf(
  check: Checker,
  value: unknown,
  fail: (message: string) => QuantscopeError,
): PlanConstraint[] {
  return check.list(value, '$.constraints').map((item, i) => {
    const path = `$.constraints[${i}]`;
    const { tensors, allow, exclude, minBits, agree } = check.record(item, path);
    if (agree !== undefined && agree !== true) throw fail(`${path}.agree must be true or absent.`);
    const constraint: PlanConstraint = {
      tensors: check.pattern(tensors, `${path}.tensors`),
      ...(allow === undefined ? {} : { allow: check.strings(allow, `${path}.allow`) }),
      ...(exclude === undefined ? {} : { exclude: check.strings(exclude, `${path}.exclude`) }),
      ...check.optional('minBits', minBits, `${path}.minBits`),
      ...(agree === undefined ? {} : { agree }),
    };
    if (Object.keys(constraint).length > 1) return constraint;
    throw fail(`${path} must have one of allow, exclude, minBits and agree.`);
  });
}

function frameOf(check: Checker, value: unknown): FileFrame {
  const frame = check.record(value, '$.frame');
  return {
    bytes: check.count(frame['bytes'], '$.frame.bytes'),
    alignment: check.positive(frame['alignment'], '$.frame.alignment'),
  };
}

function presetOf(check: Checker, value: unknown): PlanPreset {
  const preset = check.record(value, '$.preset');
  return {
    fileType: check.string(preset['fileType'], '$.preset.fileType'),
    bytes: check.count(preset['bytes'], '$.preset.bytes'),
    ...(preset['fileBytes'] === undefined
      ? {}
      : { fileBytes: check.count(preset['fileBytes'], '$.preset.fileBytes') }),
    roleError: check.number(preset['roleError'], '$.preset.roleError'),
    ...check.optional('divergence', preset['divergence'], '$.preset.divergence'),
  };
}

function budgetOf(check: Checker, value: unknown, fail: (message: string) => QuantscopeError): Budget {
  const budget = check.record(value, '$.budget');
  const kind = budget['kind'];
  if (kind !== 'bits-per-weight' && kind !== 'bytes')
    throw fail('$.budget.kind must be "bits-per-weight" or "bytes".');
  return { kind, value: check.number(budget['value'], '$.budget.value') };
}

function refuseDuplicates(
  assignments: readonly PlanAssignment[],
  fail: (message: string) => QuantscopeError,
): void {
  const seen = new Set<string>();
  for (const { tensor } of assignments) {
    if (seen.has(tensor)) throw fail(`the tensor "${tensor}" is assigned twice.`);
    seen.add(tensor);
  }
}

/**
 * A budget as typed by users (protocol/budget.ts).
 * @throws QuantscopeError REQUEST when it is neither.
 */
export function parseBudget(text: string): Budget {
  const budget = budgetFrom(text);
  if (budget) return budget;
  throw new QuantscopeError('REQUEST', `"${text}" is not a budget; write 4.5bpw, 6GB, 3.2MB or 3200000B.`);
}
