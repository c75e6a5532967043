import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import { engineJobs } from '../../support/engineJobs';
import { projectRoot, sampleFolder, temporaryFolder } from '../../support/files';
import { writeReducedSample } from '../../support/reducedSample';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const { request } = engineJobs(join(folder, 'cache'));
const general = join(projectRoot, 'assets', 'general-calibration.txt');
const bare = join(folder, 'bare');
const own = join(bare, 'my-calibration.txt');
const formats = ['Q4_K', 'Q6_K'];

/** Estimates with a cache of their own, so that nothing is kept. */
const estimate = (change: object = {}, path = bare, cacheDir = join(folder, 'empty')) =>
  request('sensitivity/estimate', { ...{ path, device: 'cpu', cacheDir, formats }, ...change });

describe('the text that tensors are measured over', () => {
  beforeAll(() => writeReducedSample(bare));

  it('is the general one if there is none next to the model', async () => {
    const { text, tensors, seconds, weightsOnly } = await estimate();
    expect(text).toEqual({ file: general, tokens: 2048 });
    expect([tensors, weightsOnly]).toEqual([16, undefined]);
    expect(seconds).toBeGreaterThan(0.1);
    expect(seconds).toBeLessThan(600);
  });

  it('is a calibration text next to the model, unless it is too short', async () => {
    cpSync(join(sampleFolder, 'generated-calibration.txt'), own);
    expect((await estimate()).text!.file).toBe(own);
    writeFileSync(own, 'To be, or not to be');
    expect((await estimate()).text!.file).toBe(general);
    rmSync(own);
  });

  it('is the one that was named, or an error', async () => {
    const text = join(sampleFolder, 'generated-eval.txt');
    expect((await estimate({ text })).text!.file).toBe(text);
    await expect(estimate({ text: join(folder, 'absent.txt') })).rejects.toMatchObject({ code: 'IO' });
  });

  it('is none if weights alone were requested, or the model cannot be run', async () => {
    expect(await estimate({ weightsOnly: true })).toMatchObject({ weightsOnly: 'this was requested.' });
    const strange = join(folder, 'strange');
    mkdirSync(strange);
    cpSync(join(sampleFolder, 'model.safetensors'), join(strange, 'model.safetensors'));
    const found = await estimate({}, strange);
    expect(found.text).toBeUndefined();
    expect(found.weightsOnly).toMatch(
      /^This model cannot be run over a text \(.* Names and shapes of a checkpoint follow from its config\.json, which is missing/,
    );
  });

  it('is read in whole windows: as many as the requested number of tokens takes', async () => {
    const text = join(sampleFolder, 'generated-calibration.txt');
    expect((await estimate({ text, tokens: 300 })).text).toEqual({ file: text, tokens: 512 });
    expect((await estimate({ text, tokens: 300, context: 128 })).text).toEqual({ file: text, tokens: 384 });
    expect((await estimate({ text, tokens: 300, context: 4096 })).text).toEqual({ file: text, tokens: 512 });
  });

  it('is read in windows that an architecture can be run over, although its context is longer', async () => {
    const path = join(folder, 'indexed');
    await writeCheckpoint(path, 'deepseek 3.2');
    const text = join(sampleFolder, 'generated-calibration.txt');
    expect((await estimate({ text, tokens: 300 }, path)).text).toEqual({ file: text, tokens: 320 });
  });

  it('is used by default; what was measured over it is reused, and offered when another text is used', async () => {
    const cacheDir = join(folder, 'kept');
    const params = { path: bare, device: 'cpu', cacheDir, formats } as const;
    const table = await request('sensitivity/run', params);
    expect(table.gainsFrom).toMatchObject({ text: general, tokens: 2048, context: 256 });
    expect(table.gainsFrom!.noise).toBeGreaterThan(0);
    expect(table.weightsOnly).toBeUndefined();
    const { measured, gain, cells } = table.rows.find(({ tensor }) => tensor === 'output.weight')!;
    const error = cells.find(({ format }) => format === 'Q4_K')!.relativeSquaredError;
    const divergence = expect.closeTo(gain! * error, 12) as number;
    expect(measured).toEqual({ format: 'Q4_K', error, divergence });
    const kept = { text: { file: general, tokens: 2048, isKept: true }, seconds: 0 };
    expect(await estimate({}, bare, cacheDir)).toMatchObject(kept);
    // A text that appears beside the model later is what a run without a text uses.
    cpSync(join(sampleFolder, 'generated-calibration.txt'), own);
    expect(await estimate({}, bare, cacheDir)).toMatchObject({
      text: { file: own, tokens: 2048 },
      offered: { file: general, tokens: 2048 },
    });
    expect(await request('sensitivity/run', { ...params, keptGains: true })).toEqual(table);
    const asked = await estimate({ keptGains: true }, bare, cacheDir);
    expect([asked.text, asked.offered]).toEqual([kept.text, undefined]);
    expect(await estimate({ tokens: 512 }, bare, cacheDir)).toMatchObject({
      text: { file: own, tokens: 512 },
      offered: { file: general, tokens: 2048 },
    });
    const byWeights = await request('sensitivity/run', { ...params, weightsOnly: true });
    expect(byWeights.rows.every(({ gain }) => gain === undefined)).toBe(true);
    expect((await estimate({ text: own }, bare, cacheDir)).text).toEqual({ file: own, tokens: 2048 });
    rmSync(own);
  });

  it('is not offered where it was measured in the format for few bits, whose gains no request for kept ones gets', async () => {
    const text = join(sampleFolder, 'generated-calibration.txt');
    const place = { path: bare, device: 'cpu', cacheDir: join(folder, 'few'), formats } as const;
    const usual = { ...place, text, tokens: 256, context: 128 };
    const params = { ...usual, fewBits: true };
    await request('sensitivity/run', params);
    const other = await request('sensitivity/estimate', { ...params, tokens: 384 });
    expect([other.text, other.offered]).toEqual([{ file: text, tokens: 384 }, undefined]);
    // They are kept beside those of the same text, and go with them alone.
    const run = await request('sensitivity/run', usual);
    const { path, cacheDir: kept } = place;
    const stored = await request('sensitivity/stored', { path, cacheDir: kept });
    expect(stored!.fewBits).toEqual(run.fewBits);
    expect(new Set(run.fewBits!.gains.map(({ measured }) => measured!.format))).toEqual(new Set(['Q2_K']));
    expect(new Set(run.rows.map(({ measured }) => measured!.format))).toEqual(new Set(['Q4_K']));
  });

  it('is an error where kept gains are requested and there are none', async () => {
    await expect(estimate({ keptGains: true })).rejects.toThrow(
      'No gains of this model are kept from an earlier run. Run it over a text first.',
    );
  });
});

describe('formats that are named', () => {
  it('do not change gains, which are measured in a format of their own; each counts once', async () => {
    const gainsIn = async (formats: readonly string[], cache: string) => {
      const params = { path: bare, device: 'cpu', cacheDir: join(folder, cache), formats } as const;
      return request('sensitivity/run', params);
    };
    const few = ['Q2_K', 'Q3_K', 'q2_k'];
    const { rows, gainsFrom, weightsOnly } = await gainsIn(few, 'few');
    expect([gainsFrom?.text, weightsOnly]).toEqual([general, undefined]);
    expect(new Set(rows.map(({ measured }) => measured?.format))).toEqual(new Set(['Q4_K']));
    expect(new Set(rows.flatMap(({ cells }) => cells.map(({ format }) => format)))).toEqual(
      new Set(['Q2_K', 'Q3_K']),
    );
    const gains = new Map(rows.map(({ tensor, gain }) => [tensor, gain]));
    for (const { tensor, gain } of (await gainsIn(['F16', 'Q4_K'], 'many')).rows)
      expect(gains.get(tensor)! / gain!, tensor).toBeCloseTo(1, 3);
    expect((await estimate({ formats: few })).formats).toEqual(['Q2_K', 'Q3_K']);
  });

  it('have gains also where they store the weights exactly', async () => {
    const params = { path: bare, device: 'cpu', cacheDir: join(folder, 'exact'), formats: ['F16'] } as const;
    const { rows, gainsFrom } = await request('sensitivity/run', params);
    expect(gainsFrom?.text).toBe(general);
    expect(rows.filter(({ gain }) => gain === undefined || !(gain > 0))).toEqual([]);
  });
});

describe('a model whose output is not finite', () => {
  it('is measured by its weights alone, and nothing of the run is kept', async () => {
    const broken = join(folder, 'broken');
    cpSync(bare, broken, { recursive: true });
    const file = join(broken, 'model.safetensors');
    const bytes = readFileSync(file);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    bytes.writeUInt16LE(0x7fc0, start + header['model.norm.weight']!.data_offsets[0]); // NaN
    writeFileSync(file, bytes);
    const cacheDir = join(folder, 'of-broken');
    const table = await request('sensitivity/run', { path: broken, device: 'cpu', cacheDir, formats });
    expect([table.weightsOnly, table.gainsFrom]).toEqual([
      'the weights overflow when the model is run over a text.',
      undefined,
    ]);
    expect(readdirSync(cacheDir).filter((name) => name.endsWith('.gains.json'))).toEqual([]);
  });
});

describe('weights alone', () => {
  it('count by the roles of tensors: the output matrix gets more bits than most', async () => {
    const table = await request('sensitivity/run', {
      ...{ path: sampleFolder, device: 'cpu', cacheDir: join(folder, 'weights'), weightsOnly: true },
    });
    expect(table.weightsOnly).toBe('this was requested.');
    const plan = makePlan(table, { kind: 'bits-per-weight', value: 4.8 });
    const bits = new Map(plan.assignments.map((item) => [item.tensor, item.bitsPerWeight]));
    expect(bits.get('output.weight')).toBeGreaterThan(6);
    expect(bits.get('blk.0.ffn_up.weight')).toBeLessThan(5);
    expect(plan.preset!.fileType).toBe('Q4_K_M');
    expect(plan.preset!.bytes).toBe(3_148_288);
    expect(plan.total.roleError).toBeLessThan(plan.preset!.roleError);
  });
});
