import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { latticeCandidates, outputCandidates } from '../../../src/ampq/sensitivity';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { ggufView } from '../../../src/architectures/ggufView';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { codesMethodName } from '../../../src/exporter/codes/codeFinder';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { openModel } from '../../../src/layouts/openModel';
import type { ExportResult } from '../../../src/protocol/export';
import type { Backend, Plan, SensitivityTable } from '../../../src/protocol/plan';
import type { EvidenceSource } from '../../../src/quant/evidence';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { writeReducedSample } from '../../support/reducedSample';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const evidenceDir = join(folder, 'evidence');
const { request, evaluate } = engineJobs(evidenceDir);
/** Trained weights, but few: codes are optimised in every test. */
const sample = join(folder, 'sample');
const text = join(sampleFolder, 'generated-calibration.txt');
const tokens = 4096;
const formats = ['Q3_K', 'Q4_K', 'Q6_K'];
const plain = {
  path: sample,
  device: 'cpu',
  cacheDir,
  formats,
  text,
  tokens: 1024,
  context: 256,
} as const;
const optimised = { evidenceDir, tokens, objective: 'one-sided' } as const;
/** Errors are those of the weights alone. */
const params = { ...plain, optimised: { ...optimised, backend: 'gpu' } } as const;
const budget = { kind: 'bits-per-weight', value: 4.5 } as const;

let evidence: EvidenceSource;
let table: SensitivityTable;
let plan: Plan;
let planFile: string;

beforeAll(async () => {
  await writeReducedSample(sample);
  const model = await openModel(sample);
  const settings = { text, tokens, needs: ['hessian'], device: 'cpu' } as const;
  const context = { signal: new AbortController().signal, progress: () => undefined };
  evidence = await obtainEvidence(model, settings, evidenceDir, context);
  const frame = await fileFrame(model, { isOptimised: true });
  await model.close();
  table = await request('sensitivity/run', params);
  plan = makePlan(table, budget, frame);
  planFile = writeFile(folder, 'plan.ampq.json', printPlan(plan));
});

const exported = (name: string, more: object = {}): Promise<ExportResult> =>
  request('export/gguf', {
    ...{ path: sample, planFile, out: join(folder, name), cacheDir: evidenceDir, device: 'cpu' },
    ...more,
  });

const divergenceOf = async (variant: object): Promise<number> => {
  const over = { text: join(sampleFolder, 'generated-eval.txt'), context: 256, windows: 4 };
  const result = await evaluate({
    path: sample,
    against: sample,
    cacheDir: evidenceDir,
    ...over,
    ...variant,
  });
  return result.text!.divergence!.mean.value;
};

/** Σ d·H·dᵀ over all rows d of a matrix. */
function outputSquares(values: Float32Array, hessian: Float64Array): number {
  const columns = Math.round(Math.sqrt(hessian.length));
  let sum = 0;
  for (let row = 0; row < values.length; row += columns)
    for (let i = 0; i < columns; i++) {
      let product = 0;
      for (let j = 0; j < columns; j++) product += hessian[i * columns + j]! * values[row + j]!;
      sum += product * values[row + i]!;
    }
  return sum;
}

async function valuesOf(path: string, tensor: string): Promise<Float32Array> {
  const model = await openModel(path);
  const converted = (await ggufView(model)).tensors.find(({ name }) => name === tensor)!;
  const parts: number[] = [];
  for await (const { values } of new TensorReader(model, converted).values())
    for (const value of values) parts.push(value);
  await model.close();
  return Float32Array.from(parts);
}

describe('a table of optimised codes', () => {
  it('names the method and the text, and is kept apart from that of reference codes', async () => {
    const codes = {
      method: codesMethodName,
      text: 'generated-calibration.txt',
      hash: evidence.text.hash,
      tokens,
      objective: 'one-sided',
    };
    expect(table.codes).toEqual(codes);
    expect(plan.codes).toEqual(codes);
    expect(plan.notes[0]).toContain(
      `optimised codes (${codesMethodName}, over 4,096 tokens of generated-calibration.txt)`,
    );
    const again = await request('sensitivity/run', params);
    expect(again).toEqual(table);
    const estimate = await request('sensitivity/estimate', params);
    expect(estimate).toMatchObject({ text: { isKept: true }, codes, seconds: 0 });
    const { seconds } = await request('sensitivity/estimate', { ...params, optimised });
    expect(seconds).toBeGreaterThan(0);
  });

  it('is the one that is shown before anything is measured, until a run measures other codes', async () => {
    const own = { path: sample, cacheDir: join(folder, 'latest') };
    const stored = () => request('sensitivity/stored', own);
    const few = { formats: ['Q4_K'], cacheDir: own.cacheDir, optimised };
    expect(await stored()).toBeUndefined();
    const measured = await request('sensitivity/run', { ...params, ...few });
    expect(await stored()).toEqual(measured);
    expect(measured.roundsActivations).toBe(true);
    const { text: over, tokens: scored, context, ...again } = { ...params, ...few };
    expect([over, scored, context]).toEqual([text, 1024, 256]);
    expect(await request('sensitivity/run', { ...again, keptGains: true })).toEqual(measured);
    const more = { ...again, keptGains: true, formats: ['Q4_K', 'Q6_K'] };
    const larger = await request('sensitivity/run', more);
    expect(larger.codes).toEqual(measured.codes);
    expect(larger.rows[0]!.cells).toHaveLength(2);
    const gone = request('sensitivity/run', {
      ...{ ...more, formats: ['Q5_K'], optimised: { evidenceDir: join(folder, 'no evidence') } },
    });
    await expect(gone).rejects.toThrow(
      'what was measured there (hessian and activations) is not kept: run the model over a text again',
    );
    const reference = await request('sensitivity/run', {
      ...plain,
      formats: few.formats,
      cacheDir: few.cacheDir,
    });
    expect(reference).not.toHaveProperty('codes');
    expect(await stored()).toEqual(reference);
  });

  it('has larger errors for a CPU, which rounds inputs, than for a GPU', async () => {
    const own = { ...params, formats: ['Q4_K', 'Q8_0', 'F16'] };
    const stored = (backend?: Backend) =>
      request('sensitivity/stored', { path: sample, cacheDir, ...(backend ? { backend } : {}) });
    const ofCpu = await request('sensitivity/run', { ...own, optimised });
    const ofGpu = await request('sensitivity/run', own);
    expect(ofGpu).not.toHaveProperty('roundsActivations');
    const cells = (from: SensitivityTable) =>
      from.rows
        .find(({ tensor }) => tensor === 'blk.1.ffn_down.weight')!
        .cells.filter(({ format }) => own.formats.includes(format));
    const errors = (from: SensitivityTable) => cells(from).map((cell) => cell.relativeSquaredError);
    const added = errors(ofCpu).map((error, i) => error - errors(ofGpu)[i]!);
    expect(added[0]! / added[1]!).toBeGreaterThan(1.5);
    expect(added[1]).toBeGreaterThan(1e-6);
    expect(added[2]).toBe(0);
    expect(cells((await stored())!)).toEqual(cells(ofCpu));
    expect(cells((await stored('gpu'))!)).toEqual(cells(ofGpu));
  });

  it.each(['Q3_K', 'Q4_K'])(
    'has the errors of the outputs with the codes that an export writes in %s',
    async (type) => {
      const tensor = 'blk.1.attn_q.weight';
      const out = join(folder, `${type}.gguf`);
      const source = await openModel(sample);
      await exportGguf(source, { type, pure: true, codes: 'optimised' }, out, { evidence });
      await source.close();
      const { hessian } = await evidence.for('model.layers.1.self_attn.q_proj.weight', 'hessian');
      const [before, after] = [await valuesOf(sample, tensor), await valuesOf(out, tensor)];
      const error = outputSquares(
        before.map((x, i) => x - after[i]!),
        hessian!,
      );
      const cell = table.rows
        .find((row) => row.tensor === tensor)!
        .cells.find(({ format }) => format === type)!;
      expect(cell.relativeSquaredError / (error / outputSquares(before, hessian!))).toBeCloseTo(1, 3);
    },
  );

  it('can have types on lattices where codes are optimised', async () => {
    const withoutFormats = ({ formats: _formats, ...usual }: typeof plain) => usual;
    const usual = { ...withoutFormats(plain), lattices: true };
    const { optimised } = params;
    const { formats } = await request('sensitivity/estimate', { ...usual, optimised });
    expect(formats).toEqual([...latticeCandidates, ...outputCandidates]);
    const estimate = await request('sensitivity/estimate', usual);
    expect(estimate.formats).toEqual(outputCandidates);
  });

  it('needs a text: without one the table has reference codes, unless optimised ones are required', async () => {
    const { path, device } = params;
    const byWeights = {
      path,
      device,
      cacheDir: join(folder, 'weights'),
      formats: ['Q4_K'],
      weightsOnly: true,
    };
    const table = await request('sensitivity/run', { ...byWeights, optimised: { evidenceDir } });
    expect(table).not.toHaveProperty('codes');
    expect(table).toEqual(await request('sensitivity/run', byWeights));
    const required = { ...byWeights, optimised: { evidenceDir, isRequired: true } };
    await expect(request('sensitivity/run', required)).rejects.toThrow(
      'Optimised codes need a text that the model is run over: this was requested.',
    );
    for (const optimised of [{ evidenceDir: 'relative' }, { evidenceDir, objective: 'both' }]) {
      const wrong = request('sensitivity/run', { ...params, optimised } as typeof params);
      await expect(wrong).rejects.toThrow('"optimised"');
    }
  });
});

describe('a plan for optimised codes', () => {
  it('is exported with them, in the size that it predicts, and evaluated as it is exported', async () => {
    const { out, optimised, warnings } = await exported('plan.gguf');
    expect(optimised!.tensors).toBe(15);
    expect(warnings.join()).not.toContain('figures');
    expect(statSync(out).size).toBe(plan.total.fileBytes);
    const ofFile = await divergenceOf({ path: out });
    expect(await divergenceOf({ planFile })).toBeCloseTo(ofFile, 6);

    const reference = makePlan(await request('sensitivity/run', plain), budget);
    expect(reference).not.toHaveProperty('codes');
    const other = writeFile(folder, 'reference.ampq.json', printPlan(reference));
    expect(ofFile / (await divergenceOf({ planFile: other }))).toBeLessThan(0.8);
  });

  it('warns where other codes are written, or codes over another text', async () => {
    const reference = await exported('other.gguf', { codes: 'reference' });
    expect(reference.warnings).toContain(
      'The plan was made for optimised codes: its figures are not those of this file.',
    );
    const calibration = { text, tokens: 1024 };
    const short = await exported('short.gguf', { codes: 'optimised', objective: 'one-sided', calibration });
    expect(short.warnings.join()).toContain('in another text or number of tokens: its figures are not');
  });

  it('is certified as it is evaluated, against presets with codes of both kinds', async () => {
    const over = { text: join(sampleFolder, 'generated-eval.txt'), context: 128, windows: 8 } as const;
    const certify = { path: sample, device: 'cpu', cacheDir: evidenceDir, planFile } as const;
    const { plan: certified } = await request('plan/certify', { ...certify, ...over });
    const { measured, rivals } = certified.certificate;
    expect(measured.mean.value).toBeCloseTo(await divergenceOf({ planFile, ...over }), 12);
    const named = rivals.map(({ kind, codes }) => `${kind} ${codes}`);
    expect(new Set(named)).toEqual(new Set(['preset optimised', 'preset reference', 'random optimised']));
    const [first] = rivals.filter(({ codes }) => codes === 'reference');
    expect(first!.measured.mean.value).toBeCloseTo(await divergenceOf({ type: first!.name, ...over }), 12);
    const gainsElsewhere = { ...params, text: over.text, optimised: { evidenceDir, tokens, text } };
    const other = makePlan(await request('sensitivity/run', gainsElsewhere), budget);
    const file = writeFile(folder, 'elsewhere.ampq.json', printPlan(other));
    await expect(request('plan/certify', { ...certify, planFile: file, text, context: 128 })).rejects.toThrow(
      "The plan's codes were found over this text",
    );
  });

  it('is an error where what was measured over its text is not kept', async () => {
    const out = join(folder, 'never.gguf');
    const elsewhere = exported('never.gguf', { cacheDir: join(folder, 'elsewhere') });
    await expect(elsewhere).rejects.toThrow(
      'The plan was made for optimised codes over 4,096 tokens of generated-calibration.txt, and what was measured there is not kept.',
    );
    expect(existsSync(out)).toBe(false);
    await expect(
      evaluate({ path: sample, planFile, text, cacheDir: join(folder, 'elsewhere') }),
    ).rejects.toThrow('is not kept');
  });
});
