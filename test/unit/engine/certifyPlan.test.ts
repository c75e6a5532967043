import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makePlan, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { codesSeconds } from '../../../src/exporter/codes/codeFinder';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { openModel } from '../../../src/layouts/openModel';
import { parseJson } from '../../../src/model/json';
import type { CertificateRival } from '../../../src/protocol/certificate';
import type { CertifyParams } from '../../../src/protocol/evaluation';
import type { CertifiedPlan } from '../../../src/protocol/planResults';
import { descentTypes } from '../../../src/quant/columns/descent';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { verdictOf } from '../../../src/protocol/verdict';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { writeReducedSample } from '../../support/reducedSample';

const folder = temporaryFolder();
/** Trained weights, but few: whole models are measured in every test. */
const sample = join(folder, 'sample');
const cacheDir = join(folder, 'cache');
const evaluationDir = join(folder, 'evaluation');
const { request, evaluate } = engineJobs(evaluationDir);
const calibration = join(sampleFolder, 'generated-calibration.txt');
const text = join(sampleFolder, 'generated-eval.txt');
const cut = { context: 128, windows: 8 } as const;

let table: SensitivityTable;
let plan: Plan;
let planFile: string;

const certify = (params: Partial<CertifyParams> = {}): Promise<CertifiedPlan> =>
  request('plan/certify', {
    ...{ path: sample, device: 'cpu', cacheDir: evaluationDir, planFile, text, ...cut },
    ...params,
  });

beforeAll(async () => {
  await writeReducedSample(sample);
  const model = await openModel(sample);
  const frame = await fileFrame(model, {});
  await model.close();
  const measured = { path: sample, device: 'cpu', cacheDir, text: calibration } as const;
  table = await request('sensitivity/run', { ...measured, tokens: 1024, context: 128 });
  plan = makePlan(table, { kind: 'bytes', value: 863_456 }, frame);
  planFile = writeFile(folder, 'plan.ampq.json', printPlan(plan));
});

const divergenceOf = async (variant: object): Promise<number> => {
  const result = await evaluate({ path: sample, text, ...cut, ...variant });
  return result.text!.divergence!.mean.value;
};

const rivalsOf = (
  { plan: { certificate } }: CertifiedPlan,
  kind: CertificateRival['kind'],
): CertificateRival[] => certificate.rivals.filter((rival) => rival.kind === kind);

describe('a certified plan', () => {
  it('has the divergences that evaluations of it and of the presets measure', async () => {
    const result = await certify();
    const { certificate } = result.plan;
    expect(certificate.text).toMatchObject({
      file: 'generated-eval.txt',
      context: 128,
      windows: 8,
      tokens: 8 * 63,
    });
    expect(certificate.predicted).toBe(plan.total.divergence);
    expect(certificate.measured.mean.value).toBeCloseTo(await divergenceOf({ planFile }), 12);
    const presets = rivalsOf(result, 'preset');
    expect(presets.map(({ name }) => name).sort()).toEqual(['Q4_K_M', 'Q4_K_S']);
    for (const { name, measured, codes } of presets) {
      expect(measured.mean.value, name).toBeCloseTo(await divergenceOf({ type: name }), 12);
      expect(codes).toBe('reference');
    }
    const ofPreset = presets.find(({ name }) => name === plan.preset!.fileType)!;
    expect(ofPreset).toMatchObject({ fileBytes: plan.preset!.fileBytes, predicted: plan.preset!.divergence });
  });

  it('is recommended only where its intervals are below zero, and compared with a random assignment of its size', async () => {
    const result = await certify();
    const [control, ...others] = rivalsOf(result, 'random');
    expect(others).toEqual([]);
    expect(control!.fileBytes).toBeLessThanOrEqual(plan.total.fileBytes!);
    expect(control!.fileBytes).toBeGreaterThan(0.97 * plan.total.fileBytes!);
    expect(control!.measured.mean.value).toBeGreaterThan(1.5 * result.plan.certificate.measured.mean.value);
    for (const { difference, measured } of result.plan.certificate.rivals) {
      const { mean } = result.plan.certificate.measured;
      expect(difference.value).toBeCloseTo(mean.value - measured.mean.value, 12);
    }
    expect(verdictOf(result.plan)!.recommended).toBe(
      result.plan.certificate.rivals.every(({ difference }) => difference.high < 0),
    );
  });

  it('is measured once: a later run reads what is kept, and a damaged file is measured again', async () => {
    const first = await certify();
    const kept = join(evaluationDir, 'joint');
    const files = (): number[] => readdirSync(kept).map((name) => statSync(join(kept, name)).ino);
    const before = files();
    const messages: string[] = [];
    const params = {
      path: sample,
      device: 'cpu',
      cacheDir: evaluationDir,
      planFile,
      text,
      ...cut,
    } as const;
    const again = await request('plan/certify', params, {
      progress: ({ message }) => messages.push(message),
    });
    expect(again).toEqual(first);
    expect(messages).toEqual([]);
    expect(files()).toEqual(before);
    const damaged = join(kept, readdirSync(kept)[0]!);
    const bytes = readFileSync(damaged);
    bytes[8]! ^= 1;
    writeFileSync(damaged, bytes);
    expect(await certify()).toEqual(first);
    expect(readFileSync(damaged)).not.toEqual(bytes);
  });

  it('keeps its certificate in its file until a format is changed', async () => {
    const { plan: certified } = await certify();
    const file = writeFile(folder, 'certified.ampq.json', printPlan(certified));
    const read = () => request('plan/read', { path: sample, planFile: file });
    expect((await read()).certificate).toEqual(certified.certificate);
    const { format } = certified.assignments[0]!;
    const edited = printPlan(certified).replace(`"format":"${format}"`, '"format":"Q8_0"');
    writeFileSync(file, edited);
    expect(parsePlan(parseJson(edited), file)).toHaveProperty('certificate');
    expect(await read()).not.toHaveProperty('certificate');
  });

  it('is measured with rounded activations where its prediction counts them', async () => {
    const rounded = writeFile(folder, 'rounded.ampq.json', printPlan({ ...plan, roundsActivations: true }));
    const { certificate } = (await certify({ planFile: rounded })).plan;
    expect(certificate.roundActivations).toBe(true);
    const same = await divergenceOf({ planFile, roundActivations: true });
    expect(certificate.measured.mean.value).toBeCloseTo(same, 12);
  });

  it('that is worse than the preset is not recommended, whatever it predicts', async () => {
    const q2 = plan.assignments.map((item) =>
      item.tensor === 'output.weight' ? { ...item, format: 'Q2_K' } : item,
    );
    const bad = writeFile(
      folder,
      'bad.ampq.json',
      printPlan({ ...plan, assignments: q2, total: plan.total }),
    );
    const result = await certify({ planFile: bad });
    expect(verdictOf(result.plan)).toMatchObject({ recommended: false, text: /^Not recommended .* so use / });
  });
});

/** A plan by gains of which those of the output matrix are a twentieth, and so with too few bits for it. */
const misled = (): Plan =>
  makePlan(
    {
      ...table,
      rows: table.rows.map((row) =>
        row.tensor === 'output.weight' ? { ...row, gain: row.gain! / 20 } : row,
      ),
    },
    { kind: 'bytes', value: 863_456 },
    plan.frame,
  );

describe('a plan that is to be improved', () => {
  const halves = { context: 128, windows: 16 } as const;
  const twice = { ...halves, improveFrom: cacheDir } as const;

  const misledFile = (): string => writeFile(folder, 'misled.ampq.json', printPlan(misled()));

  it('gets the swaps that are better where they are judged and on the other windows, in its bytes', async () => {
    const file = misledFile();
    const given = await certify({ planFile: file, ...halves });
    const { plan: improved } = await certify({ planFile: file, ...twice });
    const { improvement, measured, text: over, assignments, predicted } = improved.certificate;
    expect(improvement).toMatchObject({ windows: 8, isAdopted: true });
    expect(improvement!.swaps.length).toBeGreaterThan(0);
    expect(improvement!.tried).toBeGreaterThanOrEqual(improvement!.swaps.length);
    for (const { difference } of [...improvement!.swaps, { difference: improvement!.difference! }])
      expect(difference.high).toBeLessThan(0);
    expect([over.windows, over.tokens]).toEqual([8, 8 * 63]);
    expect(improved.total.fileBytes).toBeLessThanOrEqual(given.plan.total.fileBytes!);
    expect(predicted).toBe(improved.total.divergence);
    expect(assignments).not.toBe(given.plan.certificate.assignments);
    const changes = improvement!.swaps.flatMap((swap) => swap.changes);
    expect(changes.map(({ tensor }) => tensor)).toContain('output.weight');
    const formats = new Map(given.plan.assignments.map(({ tensor, format }) => [tensor, format]));
    for (const { tensor, from, to } of changes) {
      expect(formats.get(tensor)).toBe(from);
      formats.set(tensor, to);
    }
    expect(improved.assignments.map(({ tensor, format }) => [tensor, format])).toEqual([...formats]);
    // The certificate is that of the odd windows alone, the evaluation that of both halves.
    const written = writeFile(folder, 'improved.ampq.json', printPlan(improved));
    const both = await evaluate({ path: sample, text, ...halves, planFile: written });
    expect(both.text!.divergence!.mean.value).toBeLessThan(given.plan.certificate.measured.mean.value);
    expect(measured.mean.value / both.text!.divergence!.mean.value).not.toBe(1);
    await expect(certify({ planFile: written, ...halves })).rejects.toThrow(
      "The plan's swaps were judged over this text",
    );
  });

  it('is estimated before, with all that it is compared with', async () => {
    const params = { path: sample, device: 'cpu', cacheDir: evaluationDir, planFile, text } as const;
    const plain = await request('plan/certifyEstimate', { ...params, ...halves });
    const { certificate } = (await certify(halves)).plan;
    expect(plain).toMatchObject({ windows: 16, compared: certificate.rivals.length });
    expect(plain).not.toHaveProperty('improvement');
    expect(plain.seconds).toBeGreaterThan(0);
    const { improvement } = await request('plan/certifyEstimate', { ...params, ...twice });
    expect(improvement!.swaps).toBe(18);
    expect(improvement!.seconds).toBeGreaterThan(0);
    expect(improvement!.mostSeconds).toBeGreaterThan(3 * improvement!.seconds);
  });

  it('is estimated with the time that codes of its objective take, in each run but that of the original', async () => {
    const codes = {
      method: 'gptq-cd 1',
      text: 't.txt',
      hash: 'h',
      tokens: 1024,
      objective: 'two-sided',
    } as const;
    const file = writeFile(folder, 'two-sided.ampq.json', printPlan({ ...plan, codes }));
    const params = { path: sample, device: 'cpu', cacheDir: evaluationDir, planFile: file } as const;
    const { seconds, compared } = await request('plan/certifyEstimate', { ...params, text, ...cut });
    const shapes = new Map(table.rows.map(({ tensor, shape }) => [tensor, shape]));
    const ofCodes = plan.assignments.flatMap(({ tensor, format }) =>
      descentTypes
        .filter((type) => type === format)
        .map((type) => codesSeconds(shapes.get(tensor)!, type, 'two-sided')),
    );
    expect(ofCodes.length).toBeGreaterThan(10);
    expect(seconds).toBeGreaterThan((1 + compared) * ofCodes.reduce((sum, each) => sum + each));
  });

  it('finds what an earlier run measured', async () => {
    const file = misledFile();
    const first = await certify({ planFile: file, ...twice });
    const messages: string[] = [];
    const params = {
      path: sample,
      device: 'cpu',
      cacheDir: evaluationDir,
      planFile: file,
      text,
    } as const;
    const again = await request(
      'plan/certify',
      { ...params, ...twice },
      { progress: ({ message }) => messages.push(message) },
    );
    expect([again, messages]).toEqual([first, []]);
  });

  it('stays as it is where its constraints allow nothing else, without a swap being measured', async () => {
    const constraints = plan.assignments.map(({ tensor, format }) => ({
      tensors: `^${tensor.replaceAll('.', '\\.')}$`,
      allow: [format],
    }));
    const pinned = writeFile(folder, 'pinned.ampq.json', printPlan({ ...plan, constraints }));
    const { plan: improved } = await certify({ planFile: pinned, ...twice });
    expect(improved.certificate.improvement).toEqual({ windows: 8, tried: 0, swaps: [], isAdopted: false });
    expect(improved.assignments.map(({ format }) => format)).toEqual(
      plan.assignments.map(({ format }) => format),
    );
  });

  it('needs two halves of the text, and the errors that it was made from', async () => {
    await expect(certify({ improveFrom: cacheDir })).rejects.toThrow(
      'Swaps are judged on every second window and certified on the others, which takes at least 16 windows, and there are 8 windows of 128 tokens',
    );
    const lost = 'Swaps are proposed from the errors that the plan was made from, and these are not kept';
    await expect(certify({ ...twice, improveFrom: join(folder, 'empty') })).rejects.toThrow(lost);
    // Of what rounding adds to them, nothing is kept either.
    const rounded = writeFile(folder, 'rounded.ampq.json', printPlan({ ...plan, roundsActivations: true }));
    await expect(certify({ ...twice, planFile: rounded })).rejects.toThrow(lost);
  });
});

describe('what cannot be certified', () => {
  it('is a plan against a file of another base, which is rejected before anything is measured', async () => {
    const messages: string[] = [];
    const params = {
      path: sample,
      device: 'cpu',
      cacheDir: join(folder, 'fresh'),
      planFile,
      text,
    } as const;
    const rival = join(sample, 'model.safetensors');
    const wrong = { ...params, context: 128, windows: 16, improveFrom: cacheDir, rival } as const;
    await expect(
      request('plan/certify', wrong, { progress: ({ message }) => messages.push(message) }),
    ).rejects.toMatchObject({ code: 'REQUEST', place: { file: rival } });
    expect(messages).toEqual([]);
  });

  it('is a plan over the text of its gains', async () => {
    await expect(certify({ text: calibration })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining("The plan's gains were measured over this text") as string,
      place: { file: calibration },
    });
  });

  it('is a plan with an importance matrix that it was not made with', async () => {
    await expect(certify({ imatrix: join(folder, 'imatrix.gguf') })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('The plan was made without an importance matrix') as string,
      place: { file: planFile },
    });
  });

  it('is a plan for a GPU and RAM with swaps, which could move bytes from one memory to the other', async () => {
    const settings = { context: 512, sequences: 1, cacheType: 'f16', memory: 1e9 } as const;
    const fit = { ...settings, gpu: { memory: 1e9, layers: 1, cpuMoe: false } };
    const split = writeFile(folder, 'split.ampq.json', printPlan({ ...plan, fit }));
    await expect(
      certify({ planFile: split, context: 128, windows: 16, improveFrom: cacheDir }),
    ).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('The plan was made for the memory of a GPU and for RAM') as string,
      place: { file: split },
    });
  });

  it('is a plan over a text of too few windows', async () => {
    await expect(certify({ windows: 7 })).rejects.toThrow(
      'An interval needs at least 8 windows, and there are 7 windows of 128 tokens',
    );
  });
});
