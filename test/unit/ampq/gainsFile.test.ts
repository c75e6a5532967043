import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { withGains } from '../../../src/ampq/gains';
import { gainsFileOf, gainsFor, parseGains, printGains, type GainsFile } from '../../../src/ampq/gainsFile';
import { compareGains } from '../../../src/ampq/gainsTransfer';
import { parseJson } from '../../../src/model/json';
import type { SensitivityCell, SensitivityTable } from '../../../src/protocol/plan';
import { projectRoot } from '../../support/files';
import { rowWith } from '../../support/plans';

const file = '/library/base.gains.json';
const text = {
  ...{ text: '/texts/t.txt', hash: 'abc', tokens: 512, context: 128, noise: 1e-12 },
  ...{ loss: 3, chance: 8, spread: { percentile99: 6, topChanged: 0.5 } },
};

const cell = (format: string, bits: number, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes: 32 * bits, bitsPerWeight: bits, relativeSquaredError },
  ...{ sqnr: 0, maxError: 0, device: 'cpu' },
});
const cells = [cell('Q3_K', 3, 0.04), cell('Q4_K', 4, 0.01), cell('Q6_K', 6, 0.0006)];

/** Two tensors of 256 weights with these gains. */
function tableWith(gains: readonly [number, number]): SensitivityTable {
  const rows = ['a', 'b'].map((tensor, i) => ({
    ...rowWith(tensor, 256, cells),
    gain: gains[i]!,
    measured: { format: 'Q4_K', error: 0.01, divergence: 0.01 * gains[i]! },
  }));
  return {
    ...{ modelHash: 'h', modelName: 'base', parameters: 512, fixedBytes: 0, fixedParameters: 0 },
    ...{ rows, presets: [], gainsFrom: text },
  };
}

const gains: GainsFile = gainsFileOf(tableWith([2, 1]), 'the key');
/** The file with another value at a place. */
function withValue(keys: string, value: unknown): unknown {
  const changed = JSON.parse(printGains(gains)) as Record<string, unknown>;
  const path = keys.split('.');
  const last = path.pop()!;
  const parent = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], changed);
  (parent as Record<string, unknown>)[last] = value;
  return changed;
}
const wanted = [
  { name: 'a', shape: [1, 256] },
  { name: 'b', shape: [1, 256] },
];

describe('a file of gains', () => {
  it('holds what was measured, a line for each tensor', () => {
    expect(gains).toMatchObject({
      ...{ version: 1, model: { name: 'base', key: 'the key', parameters: 512 }, errors: 'weights' },
      ...{
        text: { text: 't.txt', hash: 'abc', tokens: 512, context: 128, loss: 3, chance: 8 },
        noise: 1e-12,
      },
    });
    expect(printGains(gains)).toContain(
      '    {"tensor":"a","shape":[1,256],"format":"Q4_K","error":0.01,"divergence":0.02},\n',
    );
  });

  it('reads back as it was, and conforms to the schema', () => {
    expect(parseGains(parseJson(printGains(gains)), file)).toEqual(gains);
    const schema = join(projectRoot, 'schemas', 'gains.schema.json');
    const validate = new Ajv({ allErrors: true }).compile(JSON.parse(readFileSync(schema, 'utf8')) as object);
    validate(JSON.parse(printGains(gains)));
    expect(validate.errors).toBeNull();
  });

  it.each([
    [
      'errors of outputs',
      { codes: { method: 'm', text: 't', hash: 'h', tokens: 1, objective: 'one-sided' as const } },
      'outputs',
    ],
    ['an importance matrix', { imatrix: { file: 'i', hash: 'h' } }, 'importance'],
  ])('says that it is for %s', (_, more, errors) => {
    expect(gainsFileOf({ ...tableWith([2, 1]), ...more }, 'key').errors).toBe(errors);
  });

  it('says that its gains are by the curvature, and rests on its version', () => {
    const by = 'curvature' as const;
    const curved = gainsFileOf({ ...tableWith([2, 1]), gainsFrom: { ...text, by } }, 'key');
    expect(parseGains(parseJson(printGains(curved)), file)).toEqual(curved);
    expect(gainsFor(curved, wanted, 'key', file)).toMatchObject({ by });
    expect(gainsFor(gains, wanted, 'key', file)).not.toHaveProperty('by');
    const versions = Object.fromEntries(
      Object.entries(curved.versions).filter(([name]) => name !== 'curvature'),
    );
    expect(() => parseGains({ ...curved, versions }, file)).toThrow('$.versions.curvature is missing');
    expect(() => parseGains(withValue('text.by', 'guess'), file)).toThrow(
      '$.text.by must be one of curvature',
    );
  });

  it('is not made of gains of another model', () => {
    const borrowed = { ...tableWith([2, 1]), gainsFrom: { ...text, model: 'elder' } };
    expect(() => gainsFileOf(borrowed, 'key')).toThrow('gains of another model (elder)');
  });

  it.each([
    ['$.version is 2; this version reads 1', 'version', 2],
    ['$.errors must be one of weights', 'errors', 'guesses'],
    ['$.text.tokens must be at least 1', 'text.tokens', 0],
    ['$.tensors[1].error must be above 0', 'tensors.1.error', 0],
    ['$.tensors[0].format is "Q4_Z", which is not a format', 'tensors.0.format', 'Q4_Z'],
    ['the tensor "a" is listed twice', 'tensors.1.tensor', 'a'],
    ['measured by another version of Quantscope', 'versions.states', 0],
    ['$.noise must be a finite number', 'noise', -1],
    ['$.versions.divergences is missing', 'versions', {}],
    ['$.spread.topChanged must be a finite number', 'spread.topChanged', 'many'],
    ['$.spread.percentile99 must be above 0', 'spread.percentile99', 0],
  ])('that is not valid says so: %s', (message, keys, value) => {
    expect(() => parseGains(withValue(keys, value), file)).toThrow(message);
  });

  it('is not a measurement of exllamav3', () => {
    const measurement = { base: { dir: 'm', bpw: 2 }, alts: [{ dir: 'n', bpw: 3 }], groups: [] };
    expect(() => parseGains(measurement, file)).toThrow('gains cannot be computed from it');
  });
});

describe('gains of a file for a model', () => {
  it('carry the name of the model that was run, if it is another one', () => {
    expect(gainsFor(gains, wanted, 'the key', file)).not.toHaveProperty('model');
    const measured = gainsFor(gains, wanted, 'another key', file);
    expect(measured).toMatchObject({ model: 'base', noise: 1e-12, spread: text.spread });
    expect(measured.tensors['a']).toEqual({ format: 'Q4_K', error: 0.01, divergence: 0.02 });
  });

  it('leave out a tensor that was not measured, whose gain is then an estimate', () => {
    const more = [...wanted, { name: 'c', shape: [1, 256] }];
    const measured = gainsFor(gains, more, 'the key', file);
    expect(Object.keys(measured.tensors)).toEqual(wanted.map(({ name }) => name));
  });

  it('are refused for a tensor of another shape, and where most are missing', () => {
    const refusal = 'The gains of "base" do not fit this model: ';
    expect(() => gainsFor(gains, [...wanted, { name: 'b', shape: [2, 256] }], 'key', file)).toThrow(
      `${refusal}they are for a tensor of 1 × 256, not 2 × 256.`,
    );
    const others = ['c', 'd', 'e'].map((name) => ({ name, shape: [1, 256] }));
    expect(() => gainsFor(gains, [...wanted, ...others], 'key', file)).toThrow(
      `${refusal}they are for ${wanted.length} of its ${wanted.length + 3} tensors.`,
    );
  });
});

describe('gains that are carried to another model', () => {
  const measured = gainsFor(gains, wanted, 'another key', file);

  it('cost nothing where they are proportional', () => {
    const own = tableWith([1, 0.5]);
    const { ratio, spread, plans } = compareGains(own, withGains(own, measured));
    expect(ratio).toBeCloseTo(2, 12);
    expect(spread).toBeCloseTo(1, 12);
    for (const plan of plans) {
      expect(plan.transferred).toBeCloseTo(plan.own, 12);
      expect(plan.predicted).toBeCloseTo(2 * plan.own, 12);
    }
  });

  it('are compared for the tensors that the file has: those of the others are estimates', () => {
    const own = tableWith([1, 4]);
    const some = { ...gains, tensors: gains.tensors.filter(({ tensor }) => tensor === 'a') };
    const other = withGains(own, gainsFor(some, wanted, 'another key', file));
    expect(other.rows.map(({ gain, isEstimated }) => [gain, isEstimated])).toEqual([
      [2, undefined],
      [2, true],
    ]);
    const { ratio, spread } = compareGains(own, other);
    expect(ratio).toBeCloseTo(2, 12);
    expect(spread).toBeCloseTo(1, 12);
  });

  it('cost what the plan that they give is worse by the own gains', () => {
    const own = tableWith([1, 4]);
    const { spread, plans } = compareGains(own, withGains(own, measured));
    expect(spread).toBeCloseTo(Math.sqrt(8), 12);
    const [at5] = plans.filter(({ bitsPerWeight }) => bitsPerWeight === 5);
    // The other gains give a the 6 bits and b the 4: own gains would have it the other way round.
    expect(at5!.transferred).toBeCloseTo(1 * 0.0006 + 4 * 0.01, 12);
    expect(at5!.own).toBeCloseTo(1 * 0.01 + 4 * 0.0006, 12);
  });
});
