import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { describe, expect, it } from 'vitest';
import { bindPlan, planFormats } from '../../../src/ampq/bindPlan';
import { makePlan, parseBudget, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { checkPlanText } from '../../../src/ampq/planText/checkPlan';
import { JsonDocument } from '../../../src/model/jsonDocument';
import { parseJson } from '../../../src/model/json';
import { runSensitivity, storedSensitivity, type Measurer } from '../../../src/ampq/sensitivity';
import { solveBudget } from '../../../src/ampq/solve';
import { measureSlab } from '../../../src/analysis/measureRows';
import { openModel } from '../../../src/layouts/openModel';
import { candidatesOf } from '../../../src/exporter/plan/candidates';
import { budgetRange } from '../../../src/protocol/plan';
import { formatById } from '../../../src/quant/catalogue';
import { projectRoot, sampleFolder, temporaryFolder } from '../../support/files';

const cacheDir = temporaryFolder();
const formats = ['Q4_0', 'Q4_K', 'Q6_K', 'Q8_0'].map(formatById);
const onCpu: Measurer['measure'] = (reader, slab, format, range, { signal }) =>
  measureSlab(reader, slab, format, range, { signal });
const addon: Measurer = { device: 'cpu', deviceFor: () => 'cpu', measure: onCpu };

async function measure(measurer: Measurer = addon, signal?: AbortSignal) {
  const model = await openModel(sampleFolder);
  try {
    return await runSensitivity(model, await candidatesOf(model), {
      formats,
      measurer,
      cacheDir,
      ...(signal ? { signal } : {}),
    });
  } finally {
    await model.close();
  }
}

describe('sensitivity', () => {
  it('stops when cancelled, keeps what was done, and resumes from there', async () => {
    let calls = 0;
    const controller = new AbortController();
    const counting: Measurer = {
      device: 'cpu',
      deviceFor: () => 'cpu',
      measure: (...parameters) => {
        calls += 1;
        if (calls === 30) controller.abort();
        return onCpu(...parameters);
      },
    };
    await expect(measure(counting, controller.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
    const done = calls;
    const table = await measure(counting);
    expect(table.rows).toHaveLength(44);
    expect(calls - done).toBeGreaterThanOrEqual(44 * 4 - 30);
    expect(calls - done).toBeLessThanOrEqual(44 * 4 - 29);
    await measure(counting);
    expect(calls).toBeLessThanOrEqual(44 * 4 + 1);
  });

  it('tells the time that is left only when the device has started: not by its first cell', async () => {
    const told: (number | undefined)[] = [];
    const model = await openModel(sampleFolder);
    await runSensitivity(model, await candidatesOf(model), {
      ...{ formats: formats.slice(0, 1), measurer: addon, cacheDir: temporaryFolder() },
      onProgress: ({ secondsLeft }) => told.push(secondsLeft),
    });
    await model.close();
    expect(told.slice(0, 3).map((seconds) => seconds !== undefined)).toEqual([false, false, true]);
  });

  it('reads the same table from disk', async () => {
    const table = await measure();
    const model = await openModel(sampleFolder);
    expect(await storedSensitivity(model, await candidatesOf(model), cacheDir)).toEqual(table);
    await model.close();
  });
});

describe('plans', () => {
  it('stay within a budget of bits per weight and use it', async () => {
    const table = await measure();
    for (const value of [4.6, 5, 6.5]) {
      const { total, optimal } = solveBudget(table, { kind: 'bits-per-weight', value });
      expect(total.bitsPerWeight).toBeLessThanOrEqual(value);
      expect(total.bitsPerWeight).toBeGreaterThan(value - 0.05);
      expect(optimal).toBe(true);
    }
  });

  it('get better with every bit', async () => {
    const table = await measure();
    const { min, max } = budgetRange(table);
    const errors = [min, 5, 6, 7, max].map(
      (value) => solveBudget(table, { kind: 'bits-per-weight', value }).total.roleError!,
    );
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    expect(new Set(errors).size).toBe(5);
  });

  it('name the smallest budget if one is too small', async () => {
    const table = await measure();
    expect(() => solveBudget(table, { kind: 'bits-per-weight', value: 3 })).toThrow(
      /at least 4\.5000 bits per weight/,
    );
    expect(() => solveBudget(table, { kind: 'bytes', value: 1000 })).toThrow(
      /at least \d\.\d\d \wB \(\d+B\)/,
    );
  });

  /** What the schema says against a plan. */
  function complaints(text: string): unknown {
    const schema = JSON.parse(
      readFileSync(join(projectRoot, 'schemas', 'ampq.schema.json'), 'utf8'),
    ) as object;
    const validate = new Ajv({ allErrors: true }).compile(schema);
    validate(JSON.parse(text));
    return validate.errors;
  }

  it('survive printing and reading, one line per tensor, and conform to the schema', async () => {
    const plan = makePlan(await measure(), parseBudget('5bpw'));
    const text = printPlan(plan);
    expect(plan.total).not.toHaveProperty('divergence');
    expect(parsePlan(parseJson(text), 'p.ampq.json')).toEqual(plan);
    expect(text.split('\n').filter((line) => line.includes('"tensor"'))).toHaveLength(44);
    expect(complaints(text)).toBeNull();
  });

  it('keep the expected divergence in their files', async () => {
    const table = await measure();
    const rows = table.rows.map((row, i) => ({ ...row, gain: 0.01 * (i + 1) }));
    const plan = makePlan({ ...table, rows }, parseBudget('5bpw'));
    const expected = plan.assignments.reduce(
      (sum, item, i) => sum + rows[i]!.gain * item.relativeSquaredError!,
      0,
    );
    expect(plan.total.divergence).toBeCloseTo(expected, 12);
    const text = printPlan(plan);
    expect(parsePlan(parseJson(text), 'p.ampq.json')).toEqual(plan);
    expect(complaints(text)).toBeNull();
    const damaged = text.replace(/"divergence": [^,\n]+/, '"divergence": "small"');
    expect(() => parsePlan(parseJson(damaged), 'p.ampq.json')).toThrow(
      /\$\.total\.divergence must be a finite number/,
    );
    expect(complaints(damaged)).toMatchObject([{ instancePath: '/total/divergence' }]);
  });

  it('may name any format by their schema: which ones there are is told by the check of their text, once', async () => {
    const plan = makePlan(await measure(), parseBudget('5bpw'));
    for (const format of [...planFormats, 'q4_k', 'int4-g128-bf16', 'Q9_K'])
      expect(
        complaints(printPlan({ ...plan, assignments: [{ ...plan.assignments[0]!, format }] })),
        format,
      ).toBeNull();
    const json = new JsonDocument(printPlan(plan).replace('"format":"', '"format":"no'));
    expect(checkPlanText(json, undefined).faults.map(({ code }) => code)).toEqual(['format/unknown']);
  });

  describe('that were changed by hand', () => {
    async function bound(change: (text: string) => string) {
      const table = await measure();
      const rows = table.rows.map((row) => ({ ...row, gain: 0.01 }));
      const plan = makePlan({ ...table, rows }, parseBudget('5bpw'));
      const model = await openModel(sampleFolder);
      const read = parsePlan(parseJson(change(printPlan(plan))), 'p.ampq.json');
      const result = bindPlan(read, model.description, await candidatesOf(model));
      await model.close();
      return { plan, result };
    }

    it('come out the same when nothing was changed', async () => {
      const { plan, result } = await bound((text) => text);
      expect(result.assignments).toEqual(plan.assignments);
      expect(result.total.error).toBeCloseTo(plan.total.error!, 15);
      expect(result.total.divergence).toBeCloseTo(plan.total.divergence!, 15);
      expect({ ...result.total, error: 0, divergence: 0 }).toEqual({
        ...plan.total,
        error: 0,
        divergence: 0,
      });
    });

    it('have the size of their formats, and no error that was not measured', async () => {
      const tensor = 'blk.0.ffn_down.weight';
      const { plan, result } = await bound((text) =>
        text.replace(new RegExp(`("${tensor}".*"format":)"\\w+"`), '$1"q4_1"'),
      );
      const before = plan.assignments.find((item) => item.tensor === tensor)!;
      const after = result.assignments.find((item) => item.tensor === tensor)!;
      expect(after).toMatchObject({ format: 'Q4_1', bytes: (256 * 768 * 5) / 8, bitsPerWeight: 5 });
      expect(after).not.toHaveProperty('relativeSquaredError');
      expect(result.total.bytes).toBe(plan.total.bytes + after.bytes - before.bytes);
      expect(result.total).not.toHaveProperty('error');
      expect(result.total).not.toHaveProperty('divergence');
    });

    it('do not trust the sizes and totals that they state', async () => {
      const { plan, result } = await bound((text) =>
        text.replace(/"bytes": \d+/, '"bytes": 5').replace(/"divergence": [^,\n]+/, '"divergence": 1e-9'),
      );
      expect(result.total.bytes).toBe(plan.total.bytes);
      expect(result.total.divergence).toBeCloseTo(plan.total.divergence!, 15);
    });

    it('count matrices that they no longer list as F16', async () => {
      const { plan, result } = await bound((text) => text.replace(/.*"output\.weight".*\n/, ''));
      const { bytes } = plan.assignments.find(({ tensor }) => tensor === 'output.weight')!;
      expect(result.total.bytes).toBe(plan.total.bytes - bytes + 2 * 1024 * 256);
    });
  });
});
