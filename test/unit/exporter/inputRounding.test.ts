import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Candidates } from '../../../src/ampq/candidates';
import { candidatesOf } from '../../../src/exporter/plan/candidates';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import {
  inputRoundings,
  keptRoundings,
  measuredRoundings,
  roundingSeconds,
  withRoundings,
} from '../../../src/engine/evaluation/roundedInputs';
import { CodeFinder } from '../../../src/exporter/codes/codeFinder';
import { roundingErrors, roundingOf } from '../../../src/exporter/codes/inputRounding';
import { allWeights } from '../../../src/layouts/changedModel';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { seal, unseal } from '../../../src/model/sealedJson';
import { loadNative } from '../../../src/native';
import type { SensitivityTable } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';

const text = join(sampleFolder, 'generated-calibration.txt');
let model: Model;
let candidates: Candidates;
let finder: CodeFinder;

beforeAll(async () => {
  model = await openModel(sampleFolder);
  candidates = await candidatesOf(model, { isOptimised: true });
  const settings = {
    text,
    needs: ['hessian', 'activations'],
    device: 'cpu',
    context: 128,
    tokens: 1024,
  } as const;
  const context = { signal: new AbortController().signal, progress: () => undefined };
  finder = new CodeFinder(await obtainEvidence(model, settings, temporaryFolder(), context), 'one-sided');
});
afterAll(() => model.close());

const convertedOf = (name: string) =>
  candidates.tensors.find(({ converted }) => converted.name === name)!.converted;

describe('the rounding of inputs', () => {
  const inputs = new Random(4).fill(2048, (random) => random.studentT3());

  it('in blocks of 32 is that of Q8_0', async () => {
    const blocks = new Uint8Array((inputs.length / 32) * 34);
    await loadNative().encodeRows('Q8_0', inputs, inputs.length, blocks);
    const expected = new Float32Array(inputs.length);
    await loadNative().decode('Q8_0', blocks, expected);
    const rounded = roundingOf(inputs, 'Q8_0').map((error, i) => error + inputs[i]!);
    rounded.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });

  it('in blocks of 256 keeps the largest input and is coarser', () => {
    const errors = roundingOf(inputs, 'Q8_K');
    for (let first = 0; first < inputs.length; first += 256) {
      const sizes = Array.from(inputs.subarray(first, first + 256), Math.abs);
      const largest = Math.max(...sizes);
      expect(errors[first + sizes.indexOf(largest)]).toBeCloseTo(0, 6);
      for (let i = 0; i < 256; i++) expect(Math.abs(errors[first + i]!)).toBeLessThanOrEqual(largest / 253);
    }
    const energy = (of: Float32Array): number => of.reduce((sum, error) => sum + error * error, 0);
    expect(energy(errors)).toBeGreaterThan(1.5 * energy(roundingOf(inputs, 'Q8_0')));
  });

  it('of zeros is none', () => {
    expect(roundingOf(new Float32Array(256), 'Q8_K')).toEqual(new Float32Array(256));
  });
});

describe('errors of the outputs by rounded inputs', () => {
  it('are those of the sampled inputs of a matrix', async () => {
    const name = 'blk.2.ffn_down.weight';
    const found = await roundingErrors(model, convertedOf(name), finder);
    const source = 'model.layers.2.mlp.down_proj.weight';
    const weights = await allWeights(model, model.tensor(source));
    const { inputs } = await finder.source.for(source, 'activations');
    const columns = convertedOf(name).shape.at(-1)!;
    const energyOf = (x: Float32Array): number => {
      let sum = 0;
      for (let row = 0; row < weights.length; row += columns)
        for (let t = 0; t < x.length; t += columns) {
          let output = 0;
          for (let c = 0; c < columns; c++) output += weights[row + c]! * x[t + c]!;
          sum += output * output;
        }
      return sum;
    };
    const share = energyOf(roundingOf(inputs!, 'Q8_K')) / energyOf(inputs!);
    expect(found!.Q8_K! / share).toBeCloseTo(1, 6);
    expect(found!.Q8_K! / found!.Q8_0!).toBeGreaterThan(2);
    expect(found!.Q8_0).toBeGreaterThan(1e-6);
  });

  it('are not known of an embedding', async () => {
    expect(await roundingErrors(model, convertedOf('token_embd.weight'), finder)).toBeUndefined();
  });

  it('are kept, and measured again where what is kept is damaged or of another version', async () => {
    const cacheDir = temporaryFolder();
    const few = { ...candidates, tensors: [candidates.tensors[1]!] };
    let used = 0;
    const place = {
      ...{ cacheDir, signal: new AbortController().signal },
      finder: () => {
        used += 1;
        return Promise.resolve(finder);
      },
    };
    expect(await keptRoundings(model, few, cacheDir)).toBeUndefined();
    expect(await roundingSeconds(model, few, cacheDir, place.signal)).toBeGreaterThan(0);
    const found = (await inputRoundings(model, few, place))!;
    expect(await roundingSeconds(model, few, cacheDir, place.signal)).toBe(0);
    expect(Object.keys(found)).toEqual([few.tensors[0]!.converted.name]);
    expect(await keptRoundings(model, few, cacheDir)).toEqual(found);
    expect([await inputRoundings(model, few, place), used]).toEqual([found, 1]);
    const [name] = readdirSync(cacheDir);
    const file = join(cacheDir, name!);
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/\d/, (digit) => String((Number(digit) + 1) % 10)),
    );
    expect(await keptRoundings(model, few, cacheDir)).toBeUndefined();
    expect([await inputRoundings(model, few, place), used]).toEqual([found, 2]);
    const kept = unseal(readFileSync(file, 'utf8').trimEnd()) as object;
    writeFileSync(file, `${seal({ ...kept, versions: { roundings: 0 } })}\n`);
    expect(await keptRoundings(model, few, cacheDir)).toBeUndefined();
    expect([await inputRoundings(model, few, place), used]).toEqual([found, 3]);
  });

  it('are added to the cells of a table by how their formats round', async () => {
    const name = 'blk.2.attn_q.weight';
    const cell = (format: string) => ({ format, relativeSquaredError: 0.001, sqnr: 30, bytes: 1 });
    const cells = ['Q6_K', 'Q8_0', 'F16'].map(cell);
    const table = { rows: [{ tensor: name, cells }] } as unknown as SensitivityTable;
    const signal = new AbortController().signal;
    const found = await measuredRoundings(model, candidates, finder, signal);
    const { rows, roundsActivations } = withRoundings(table, found);
    expect(withRoundings(table, undefined)).toBe(table);
    const { Q8_K, Q8_0 } = (await roundingErrors(model, convertedOf(name), finder))!;
    expect(rows[0]!.cells.map(({ relativeSquaredError }) => relativeSquaredError)).toEqual([
      ...[0.001 + Q8_K!, 0.001 + Q8_0!, 0.001],
    ]);
    expect(rows[0]!.cells[0]!.sqnr).toBeLessThan(30);
    expect(rows[0]!.cells[2]!.sqnr).toBe(30);
    expect(roundsActivations).toBe(true);
  });
});
