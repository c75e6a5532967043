import type { QuantscopeError } from '../model/errors';
import { objectives } from '../protocol/export';
import type { FileFrame } from '../protocol/fileFrame';
import type { GainsSample, GainsText } from '../protocol/gains';
import type {
  Budget,
  Plan,
  PlanAssignment,
  PlanConstraint,
  PlanPreset,
  UsedCodes,
  UsedImatrix,
} from '../protocol/plan';
import type { Targets } from '../protocol/targets';
import { said } from '../protocol/said';
import { findFormat } from '../quant/catalogue';
import type { Checker } from './planChecker';

/** Makes an error of a sentence about a plan file. */
type Fail = (message: string) => QuantscopeError;

export function assignmentFrom(check: Checker, value: unknown, path: string): PlanAssignment {
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

export function totalOf(check: Checker, value: unknown): Plan['total'] {
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

export function imatrixOf(check: Checker, value: unknown): UsedImatrix {
  const imatrix = check.record(value, '$.imatrix');
  return {
    file: check.string(imatrix['file'], '$.imatrix.file'),
    hash: check.string(imatrix['hash'], '$.imatrix.hash'),
  };
}

export function codesOf(check: Checker, value: unknown): UsedCodes {
  const codes = check.record(value, '$.codes');
  return {
    method: check.string(codes['method'], '$.codes.method'),
    text: check.string(codes['text'], '$.codes.text'),
    hash: check.string(codes['hash'], '$.codes.hash'),
    tokens: check.count(codes['tokens'], '$.codes.tokens'),
    objective: check.oneOf(codes['objective'] ?? 'two-sided', objectives, '$.codes.objective'),
  };
}

export const roundingOf = (value: unknown, fail: Fail): Pick<Plan, 'roundsActivations'> =>
  isTrue(value, '$.roundsActivations', fail) ? { roundsActivations: true } : {};

/** @throws the error of a value that is neither true nor absent. */
function isTrue(value: unknown, path: string, fail: Fail): boolean {
  if (value === undefined || value === true) return value === true;
  throw fail(said`${path} must be true or absent.`);
}

export function targetsOf(check: Checker, value: unknown, fail: Fail): Targets {
  const item = check.record(value, '$.targets');
  const targets: Targets = {
    ...check.optional('mean', item['mean'], '$.targets.mean'),
    ...check.optional('percentile99', item['percentile99'], '$.targets.percentile99'),
    ...check.optional('sameTopToken', item['sameTopToken'], '$.targets.sameTopToken'),
  };
  if ((targets.sameTopToken ?? 0) > 1) throw fail(said`$.targets.sameTopToken must be at most 1.`);
  if (Object.keys(targets).length > 0) return targets;
  throw fail(said`$.targets must have one of mean, percentile99 and sameTopToken.`);
}

export function gainsOf(check: Checker, value: unknown, fail: Fail): GainsText {
  const gains = check.record(value, '$.gains');
  return {
    text: check.string(gains['text'], '$.gains.text'),
    hash: check.string(gains['hash'], '$.gains.hash'),
    tokens: check.count(gains['tokens'], '$.gains.tokens'),
    context: check.count(gains['context'], '$.gains.context'),
    loss: check.number(gains['loss'], '$.gains.loss'),
    chance: check.number(gains['chance'], '$.gains.chance'),
    ...(gains['by'] === undefined ? {} : { by: check.oneOf(gains['by'], ['curvature'], '$.gains.by') }),
    ...(isTrue(gains['fewBits'], '$.gains.fewBits', fail) ? { fewBits: true } : {}),
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

/** @throws the error of a format that does not exist. */
export function formatsOf(check: Checker, value: unknown, fail: Fail): string[] {
  return check.strings(value, '$.formats').map((format, i) => {
    const known = findFormat(format)?.id;
    if (known !== undefined) return known;
    throw fail(said`$.formats[${i}] is "${format}", which does not exist.`);
  });
}

export function constraintsOf(check: Checker, value: unknown, fail: Fail): PlanConstraint[] {
  return check.list(value, '$.constraints').map((item, i) => {
    const path = `$.constraints[${i}]`;
    const { tensors, allow, exclude, minBits, agree } = check.record(item, path);
    const constraint: PlanConstraint = {
      tensors: check.pattern(tensors, `${path}.tensors`),
      ...(allow === undefined ? {} : { allow: check.strings(allow, `${path}.allow`) }),
      ...(exclude === undefined ? {} : { exclude: check.strings(exclude, `${path}.exclude`) }),
      ...check.optional('minBits', minBits, `${path}.minBits`),
      ...(isTrue(agree, `${path}.agree`, fail) ? { agree: true } : {}),
    };
    if (Object.keys(constraint).length > 1) return constraint;
    throw fail(said`${path} must have one of allow, exclude, minBits and agree.`);
  });
}

export function frameOf(check: Checker, value: unknown): FileFrame {
  const frame = check.record(value, '$.frame');
  return {
    bytes: check.count(frame['bytes'], '$.frame.bytes'),
    alignment: check.positive(frame['alignment'], '$.frame.alignment'),
  };
}

export function presetOf(check: Checker, value: unknown): PlanPreset {
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

export function budgetOf(check: Checker, value: unknown, fail: Fail): Budget {
  const budget = check.record(value, '$.budget');
  const kind = budget['kind'];
  if (kind !== 'bits-per-weight' && kind !== 'bytes')
    throw fail(said`$.budget.kind must be "bits-per-weight" or "bytes".`);
  return { kind, value: check.number(budget['value'], '$.budget.value') };
}
