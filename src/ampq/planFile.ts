import { basename } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { budgetFrom } from '../protocol/budget';
import type { PlanFit } from '../protocol/fit';
import type { GainsText } from '../protocol/gains';
import type { Budget, Plan, PlanAssignment, PlanConstraint, SensitivityTable } from '../protocol/plan';
import { perTable } from '../protocol/perTable';
import { planRung, rungText } from '../protocol/rungs';
import type { Targets } from '../protocol/targets';
import { said } from '../protocol/said';
import { parseCertificate } from './certificateFile';
import { Checker } from './planChecker';
import { parseFit } from './fitFile';
import { planNotes } from './planNotes';
import {
  assignmentFrom,
  budgetOf,
  codesOf,
  constraintsOf,
  formatsOf,
  frameOf,
  gainsOf,
  imatrixOf,
  presetOf,
  roundingOf,
  targetsOf,
  totalOf,
} from './planParts';
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

/** Those that the tensors of a table were measured in. */
const formatsIn = perTable(({ rows }): readonly string[] => {
  const formats = new Set<string>();
  for (const { cells } of rows) for (const { format } of cells) formats.add(format);
  return [...formats];
});

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
    formats: formatsIn(table),
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
  fewBits,
  model,
  sample,
}: GainsText): GainsText => ({
  ...{ text: basename(text), hash, tokens, context, loss, chance },
  ...(by ? { by } : {}),
  ...(fewBits ? { fewBits } : {}),
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
    new QuantscopeError('MODEL_FILE', said`The plan is not valid: ${message}`, { file });
  const check = new Checker(fail);
  const plan = check.record(value, '$');
  if (plan['version'] === 1)
    throw fail(said`it was made by an earlier version, for the tensors of the checkpoint; create it again.`);
  if (plan['version'] !== 2) throw fail(said`$.version ${stated(plan['version'])}; this version reads 2.`);
  const model = check.record(plan['model'], '$.model');
  const assignments = check
    .list(plan['assignments'], '$.assignments')
    .map((item, i) => assignmentFrom(check, item, `$.assignments[${i}]`));
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
    ...(plan['gains'] === undefined ? {} : { gains: gainsOf(check, plan['gains'], fail) }),
    ...(plan['formats'] === undefined ? {} : { formats: formatsOf(check, plan['formats'], fail) }),
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

function refuseDuplicates(
  assignments: readonly PlanAssignment[],
  fail: (message: string) => QuantscopeError,
): void {
  const seen = new Set<string>();
  for (const { tensor } of assignments) {
    if (seen.has(tensor)) throw fail(said`the tensor "${tensor}" is assigned twice.`);
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
  throw new QuantscopeError(
    'REQUEST',
    said`"${text}" is not a budget; write 4.5bpw, 6GB, 3.2MB or 3200000B.`,
  );
}
