import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { describe, expect, it } from 'vitest';
import { makePlan, planFileName, parseBudget, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { parseJson } from '../../../src/model/json';
import { estimatedFrame } from '../../../src/ampq/solve';
import type { Certificate } from '../../../src/protocol/certificate';
import type { Budget, Plan, SensitivityTable } from '../../../src/protocol/plan';
import { projectRoot } from '../../support/files';
import { rowWith } from '../../support/plans';

const file = '/plans/any.ampq.json';
const assignment = {
  ...{ tensor: 'a', sources: ['model.a', 'model.b'], format: 'Q4_K', bitsPerWeight: 4.5, bytes: 144 },
  ...{ relativeSquaredError: 0.25, gain: 0.5 },
};
const figures = {
  mean: { value: 0.125, standardError: 0.01 },
  ...{ median: -0.001, percentile99: 0.5, sameTopToken: 0.9 },
};
const certificate: Certificate = {
  text: { file: 'eval.txt', hash: 'jkl', context: 256, windows: 8, tokens: 1016 },
  ...{ assignments: 'mno', roundActivations: false, predicted: 0.1, measured: figures },
  rivals: [
    {
      ...{ kind: 'preset', name: 'Q4_K_M', codes: 'optimised', fileBytes: 400, predicted: 0.2 },
      ...{ measured: figures, difference: { value: -0.1, low: -0.2, high: 0.05 } },
    },
    {
      ...{ kind: 'file', name: 'theirs.gguf', fileBytes: 401 },
      ...{ measured: figures, difference: { value: -0.1, low: -0.2, high: 0.05 } },
    },
  ],
  improvement: {
    ...{ windows: 8, tried: 5, isAdopted: true, difference: { value: -0.02, low: -0.03, high: -0.01 } },
    swaps: [
      {
        changes: [{ tensor: 'a', from: 'Q5_K', to: 'Q4_K' }],
        difference: { value: -0.1, low: -0.2, high: -0.05 },
      },
    ],
  },
  notCompared: ['IQ2_M'],
};
/** A plan in which nothing that may be there is absent. */
const full: Plan = {
  version: 2,
  model: { name: 'model', hash: 'abc', parameters: 512 },
  budget: { kind: 'bits-per-weight', value: 4.75 },
  fit: {
    ...{ context: 8192, sequences: 2, cacheType: 'q8_0', memory: 8_000_000_000 },
    gpu: { memory: 6_000_000_000, layers: 12, cpuMoe: true },
  },
  total: {
    bytes: 300,
    fileBytes: 448,
    bitsPerWeight: 4.5,
    error: 0.125,
    roleError: 0.375,
    divergence: 0.0625,
  },
  imatrix: { file: 'matrix.gguf', hash: 'def' },
  codes: {
    method: 'gptq-cd 1',
    text: 'calibration.txt',
    hash: 'abc',
    tokens: 65_536,
    objective: 'one-sided',
  },
  roundsActivations: true,
  gains: {
    ...{ text: 'gains.txt', hash: 'ghi', tokens: 2048, context: 256, loss: 3.25, chance: 6.9 },
    sample: { measured: 8, blocks: 32, deviation: 1.25 },
    by: 'curvature',
    fewBits: true,
  },
  targets: { mean: 0.001, percentile99: 0.01, sameTopToken: 0.97 },
  formats: ['Q4_K', 'Q6_K', 'int4-g128'],
  constraints: [
    { tensors: 'attn_q', allow: ['Q4_K', 'Q6_K'] },
    { tensors: 'ffn', exclude: ['Q2_K'], minBits: 4 },
    { tensors: 'attn_[qkv]', agree: true },
  ],
  frame: { bytes: 160, alignment: 32 },
  preset: { fileType: 'Q4_K_M', bytes: 310, fileBytes: 480, roleError: 0.5, divergence: 0.75 },
  certificate,
  notes: ['One.', 'Two.'],
  assignments: [assignment, { ...assignment, tensor: 'b', bytes: 0 }],
};
/** One in which all that may be absent is. */
const bare: Plan = {
  ...full,
  budget: { kind: 'bytes', value: 0 },
  total: { bytes: 0, bitsPerWeight: 0 },
  notes: [],
  assignments: [{ tensor: 'a', sources: [], format: 'F16', bitsPerWeight: 16, bytes: 1024 }],
};
delete (bare as { preset?: unknown }).preset;
delete (bare as { frame?: unknown }).frame;
delete (bare as { imatrix?: unknown }).imatrix;
delete (bare as { codes?: unknown }).codes;
delete (bare as { roundsActivations?: unknown }).roundsActivations;
delete (bare as { gains?: unknown }).gains;
delete (bare as { targets?: unknown }).targets;
delete (bare as { certificate?: unknown }).certificate;
delete (bare as { constraints?: unknown }).constraints;
delete (bare as { formats?: unknown }).formats;

/** The JSON of a plan with the value at a path replaced; without one it is removed. */
function withValue(keys: string, value?: unknown): string {
  const plan = JSON.parse(printPlan(full)) as Record<string, unknown>;
  const names = keys.split('.');
  const last = names.pop()!;
  const place = names.reduce((at, name) => at[name] as Record<string, unknown>, plan);
  if (value === undefined) delete place[last];
  else place[last] = value;
  return JSON.stringify(plan);
}

const notValid = (message: string) => ({
  code: 'MODEL_FILE',
  message: `The plan is not valid: ${message} (${file})`,
  place: { file },
});
function errorOf(text: string): unknown {
  try {
    return parsePlan(parseJson(text), file);
  } catch (error) {
    return error;
  }
}

describe('the text of a plan', () => {
  it('has a line for each tensor, and each error with the format that it was measured in', () => {
    const [head, rest] = printPlan(full).split('  "assignments": [\n');
    expect(head!.split('\n').slice(0, 6)).toEqual([
      ...['{', '  "version": 2,', '  "model": {', '    "name": "model",', '    "hash": "abc",'],
      '    "parameters": 512',
    ]);
    expect(head!.endsWith('  ],\n')).toBe(true);
    const line = (tensor: string, bytes: number): string =>
      `    {"tensor":"${tensor}","sources":["model.a","model.b"],"format":"Q4_K","bitsPerWeight":4.5,"bytes":${bytes},"error":{"Q4_K":0.25},"gain":0.5}`;
    expect(rest).toBe(`${line('a', 144)},\n${line('b', 0)}\n  ]\n}\n`);
    expect(printPlan(bare)).toContain(
      '    {"tensor":"a","sources":[],"format":"F16","bitsPerWeight":16,"bytes":1024}\n',
    );
  });

  it.each([
    ['full', full],
    ['bare', bare],
  ])('reads back as it was: %s', (_, plan) => {
    expect(parsePlan(parseJson(printPlan(plan)), file)).toEqual(plan);
  });

  it.each([
    ['full', full],
    ['bare', bare],
  ])('conforms to the schema: %s', (_, plan) => {
    const file = join(projectRoot, 'schemas', 'ampq.schema.json');
    const validate = new Ajv({ allErrors: true }).compile(JSON.parse(readFileSync(file, 'utf8')) as object);
    validate(JSON.parse(printPlan(plan)));
    expect(validate.errors).toBeNull();
  });

  it('may lack notes', () => {
    expect(parsePlan(parseJson(withValue('notes')), file)).toEqual({ ...full, notes: [] });
  });

  it('has no error for a format that was changed by hand', () => {
    const read = parsePlan(parseJson(withValue('assignments.0.format', 'Q8_0')), file);
    expect(read.assignments[0]).toEqual({
      ...{ tensor: 'a', sources: assignment.sources, format: 'Q8_0', bitsPerWeight: 4.5, bytes: 144 },
      gain: 0.5,
    });
  });
});

describe('a plan that is not valid names the place', () => {
  const texts = [
    ...['model.name', 'model.hash', 'preset.fileType', 'assignments.0.tensor'],
    ...[
      'imatrix.file',
      'imatrix.hash',
      'codes.method',
      'codes.text',
      'codes.hash',
      'constraints.0.tensors',
      'constraints.0.allow.1',
    ],
    ...['gains.text', 'gains.hash', 'certificate.text.file', 'certificate.text.hash'],
    ...['certificate.assignments', 'certificate.rivals.0.name', 'certificate.notCompared.0'],
    'certificate.improvement.swaps.0.changes.0.to',
  ];
  const numbers = [
    ...['total.bitsPerWeight', 'total.error', 'total.roleError', 'total.divergence'],
    ...['preset.roleError', 'preset.divergence', 'budget.value'],
    ...['assignments.1.bitsPerWeight', 'assignments.1.gain', 'assignments.1.error.Q4_K'],
    'constraints.1.minBits',
    ...['certificate.predicted', 'certificate.measured.sameTopToken'],
    ...['certificate.measured.mean.standardError', 'certificate.rivals.0.predicted'],
  ];
  const counts = [
    ...['model.parameters', 'total.bytes', 'total.fileBytes', 'frame.bytes', 'frame.alignment'],
    ...['preset.bytes', 'preset.fileBytes', 'codes.tokens', 'assignments.1.bytes'],
    ...['gains.tokens', 'gains.context', 'certificate.text.context', 'certificate.text.windows'],
    ...['certificate.text.tokens', 'certificate.rivals.0.fileBytes'],
    ...['certificate.improvement.windows', 'certificate.improvement.tried'],
  ];
  const objects = [
    ...['model', 'budget', 'total', 'imatrix', 'codes', 'constraints.0', 'frame', 'preset'],
    ...['assignments.0', 'assignments.0.error', 'gains', 'certificate', 'certificate.text'],
    ...['certificate.measured', 'certificate.rivals.0', 'certificate.rivals.0.difference'],
  ];
  const lists = [
    ...['notes', 'assignments', 'assignments.1.sources'],
    ...['constraints', 'constraints.0.allow', 'constraints.1.exclude'],
    ...['certificate.rivals', 'certificate.notCompared', 'certificate.improvement.swaps'],
  ];
  const pathOf = (keys: string): string => `$.${keys.replace(/\.(\d+)/g, '[$1]')}`;
  const cases = (keys: readonly string[], values: readonly unknown[], what: string) =>
    keys.flatMap((key) => values.map((value): [string, unknown, string] => [key, value, what]));

  it.each([
    ...cases([...texts, 'assignments.1.format', 'notes.1'], ['', 7, null, ['x']], 'a text'),
    ...cases(numbers, [-1, '1', null], 'a finite number of at least 0'),
    ...cases(counts, [-1, 1.5, 2 ** 53, '1', null], 'a whole number from 0 to 2^53 − 1'),
    ...cases(objects, [[], 'x', 7, null], 'an object'),
    ...cases(lists, [{ length: 0 }, 'x', 7], 'a list'),
  ])('%s: %j is not %s', (keys, value, what) => {
    expect(errorOf(withValue(keys, value))).toMatchObject(notValid(`${pathOf(keys)} must be ${what}.`));
  });

  it.each(['model.name', 'budget.value', 'total.bytes', 'preset.fileType', 'assignments.0.bytes'])(
    '%s is missing',
    (keys) => {
      expect(errorOf(withValue(keys))).toMatchObject({
        ...notValid(''),
        message: expect.stringContaining(`: ${pathOf(keys)} must be `) as string,
      });
    },
  );

  it('with numbers that JSON cannot hold', () => {
    const text = printPlan(full).replace('"error": 0.125', '"error": 1e999');
    expect(errorOf(text)).toMatchObject(notValid('$.total.error must be a finite number of at least 0.'));
  });

  it('of other versions, other budgets and tensors that are assigned twice', () => {
    const older = 'it was made by an earlier version, for the tensors of the checkpoint; create it again.';
    const kind = '$.budget.kind must be "bits-per-weight" or "bytes".';
    for (const [text, message] of [
      [withValue('version', 1), older],
      [withValue('version', 3), '$.version is 3; this version reads 2.'],
      [withValue('version', '2'), '$.version is "2"; this version reads 2.'],
      [withValue('frame.alignment', 0), '$.frame.alignment must be at least 1.'],
      [withValue('targets', {}), '$.targets must have one of mean, percentile99 and sameTopToken.'],
      [withValue('targets.sameTopToken', 97), '$.targets.sameTopToken must be at most 1.'],
      [withValue('roundsActivations', false), '$.roundsActivations must be true or absent.'],
      [withValue('formats', ['Q4_K', 'Q4_Q']), '$.formats[1] is "Q4_Q", which does not exist.'],
      [withValue('constraints.2.agree', false), '$.constraints[2].agree must be true or absent.'],
      [
        withValue('constraints.2.agree'),
        '$.constraints[2] must have one of allow, exclude, minBits and agree.',
      ],
      [
        withValue('constraints.0.tensors', '('),
        '$.constraints[0].tensors must be a regular expression: Invalid regular expression: /(/: Unterminated group.',
      ],
      [
        withValue('certificate.rivals.0.kind', 'other'),
        '$.certificate.rivals[0].kind must be one of preset, file, random.',
      ],
      [
        withValue('certificate.rivals.0.codes', 'mine'),
        '$.certificate.rivals[0].codes must be one of reference, optimised.',
      ],
      [
        withValue('certificate.improvement.isAdopted'),
        '$.certificate.improvement.isAdopted must be true or false.',
      ],
      [withValue('certificate.roundActivations', 1), '$.certificate.roundActivations must be true or false.'],
      [
        withValue('certificate.rivals.0.difference.low', '1'),
        '$.certificate.rivals[0].difference.low must be a finite number.',
      ],
      ['[]', '$ must be an object.'],
      ['null', '$ must be an object.'],
      [withValue('budget.kind', 'bits'), kind],
      [withValue('budget.kind'), kind],
      [withValue('assignments.1.tensor', 'a'), 'the tensor "a" is assigned twice.'],
    ] as const)
      expect(errorOf(text)).toMatchObject(notValid(message));
  });
});

describe('the name of a plan file', () => {
  it.each([
    ['model', 'model.ampq.json'],
    ['model.ampq', 'model.ampq.json'],
    ['model.json', 'model.ampq.json'],
    ['model.ampq.json', 'model.ampq.json'],
    ['model.AMPQ.JSON', 'model.ampq.json'],
    ['model.ampq.ampq.json.json', 'model.ampq.json'],
    ['model.json.v2', 'model.json.v2.ampq.json'],
  ])('%s becomes %s', (name, expected) => expect(planFileName(name)).toBe(expected));
});

describe('a budget', () => {
  const budgets: [string, Budget['kind'], number][] = [
    ['4.5bpw', 'bits-per-weight', 4.5],
    [' 4 BPW ', 'bits-per-weight', 4],
    ['12b', 'bytes', 12],
    ['3200000B', 'bytes', 3_200_000],
    ['1.5kB', 'bytes', 1500],
    ['1.5KiB', 'bytes', 1536],
    ['3.2MB', 'bytes', 3_200_000],
    ['3 MiB', 'bytes', 3 * 1024 ** 2],
    ['2.5gb', 'bytes', 2_500_000_000],
    ['2.5GiB', 'bytes', 2.5 * 1024 ** 3],
    ['1.0001KiB', 'bytes', 1024],
    ['10.25bpw', 'bits-per-weight', 10.25],
  ];
  it.each(budgets)('is read: %s', (text, kind, value) => expect(parseBudget(text)).toEqual({ kind, value }));

  it.each(['', '4.5', 'bpw', '-4bpw', '4.bpw', '.5bpw', '4,5bpw', '4bpws', 'x4bpw', '4 TB', '4mb/s'])(
    'is not "%s"',
    (text) => {
      const error = {
        code: 'REQUEST',
        message: `"${text}" is not a budget; write 4.5bpw, 6GB, 3.2MB or 3200000B.`,
      };
      expect(() => parseBudget(text)).toThrow(expect.objectContaining(error) as Error);
    },
  );
});

describe('makePlan', () => {
  const cell = { format: 'Q4_K', bytes: 144, bitsPerWeight: 4.5, sqnr: 0, maxError: 0 };
  const row = rowWith('a', 256, [{ ...cell, relativeSquaredError: 0.5, device: 'cpu' }], ['model.a']);
  const table: SensitivityTable = {
    ...{ modelHash: 'abc', modelName: 'some', parameters: 300, fixedBytes: 176 },
    ...{ fixedParameters: 44, rows: [row], presets: [] },
  };
  const budget = { kind: 'bytes', value: 144 + 176 + 50 } as const;
  const planned = {
    ...{ version: 2, model: { name: 'some', hash: 'abc', parameters: 300 }, budget, notes: [] },
    total: { bytes: 320, bitsPerWeight: 4.5, error: 0.5, roleError: 0.5 },
    formats: ['Q4_K'],
    assignments: [
      {
        ...{ tensor: 'a', sources: ['model.a'], format: 'Q4_K', bitsPerWeight: 4.5, bytes: 144 },
        relativeSquaredError: 0.5,
      },
    ],
  };
  const frame = { bytes: 176 + 50, alignment: 1 };
  const inFile = { ...planned, frame, total: { ...planned.total, fileBytes: 370 } };

  it('names model and budget, and counts the other content of the file', () => {
    expect(makePlan(table, budget, frame)).toEqual(inFile);
    expect(() => makePlan(table, budget, { ...frame, bytes: 227 })).toThrow('at least 371 B (371B)');
    expect(makePlan(table, { kind: 'bytes', value: 320 }).total).toEqual(planned.total);
  });

  it('says whether errors include the rounding of activations', () => {
    expect(makePlan({ ...table, roundsActivations: true }, budget, frame)).toEqual({
      ...{ ...inFile, roundsActivations: true },
    });
  });

  it('has the preset that keeps the budget', () => {
    const presets = [{ fileType: 'Q4_K_M', formats: ['Q4_K'] }];
    expect(makePlan({ ...table, presets }, budget, frame)).toEqual({
      ...inFile,
      preset: { fileType: 'Q4_K_M', bytes: 320, fileBytes: 370, roleError: 0.5 },
    });
  });

  it('does not state an estimated frame as the size of a file', () => {
    const large = { kind: 'bytes', value: 3_000_000 } as const;
    const plan = makePlan(table, large, estimatedFrame(table));
    expect(plan).toEqual({ ...planned, budget: large });
    expect(() => makePlan(table, budget, estimatedFrame(table))).toThrow('at least 2.10 MB (2097472B)');
  });
});
