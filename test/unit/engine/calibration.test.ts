import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import { readImatrix } from '../../../src/model/imatrix';
import type { EngineProgress } from '../../../src/protocol/engine';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (...names: string[]): string => join(folder, ...names);
const { calibrate } = engineJobs(folder);
const text = join(sampleFolder, 'generated-calibration.txt');
const settings = { text, context: 32, windows: 40, threads: 1 } as const;
const tokens = 40 * 32;

/** The float32 tensors of a file. */
async function tensorsOf(file: string): Promise<Map<string, Float32Array>> {
  const model = await openModel(file);
  const found = new Map<string, Float32Array>();
  for (const tensor of model.description.tensors) {
    const bytes = await model.read(tensor, 0, tensor.byteLength);
    found.set(tensor.name, new Float32Array(Uint8Array.from(bytes).buffer));
  }
  await model.close();
  return found;
}

describe('a calibration', () => {
  beforeAll(() => writeCheckpoint(path('mixtral'), 'mixtral'));

  it('has an entry for every matrix of the blocks, and for the output matrix where it is asked for', async () => {
    const without = await calibrate({ ...settings, out: path('blocks.gguf') });
    const complete = await calibrate({ ...settings, out: path('all.gguf'), processOutput: true });
    expect([without.entries, complete.entries]).toEqual([42, 43]);
    expect(complete).toMatchObject({ chunks: 40, tokens, out: path('all.gguf') });
    const [some, all] = [await readImatrix(path('blocks.gguf')), await readImatrix(path('all.gguf'))];
    expect(some.entries.has('output.weight')).toBe(false);
    expect(all.entries.get('output.weight')).toHaveLength(256);
    for (const [name, values] of some.entries) expect(values, name).toEqual(all.entries.get(name));
  });

  it('gives the same in both formats and whether the model is kept or streamed', async () => {
    await calibrate({ ...settings, out: path('kept.gguf'), memory: 'whole' });
    await calibrate({ ...settings, out: path('streamed.dat'), memory: 'streamed' });
    const [kept, streamed] = [await readImatrix(path('kept.gguf')), await readImatrix(path('streamed.dat'))];
    expect([...kept.entries.keys()]).toEqual([...streamed.entries.keys()]);
    for (const [name, values] of kept.entries)
      values.forEach((value, i) => expect(streamed.entries.get(name)![i]! / value).toBeCloseTo(1, 5));
  });

  it('counts the tokens that each expert got: in each block, as many per token as experts are used', async () => {
    const out = path('mixtral.gguf');
    await calibrate({ ...settings, path: path('mixtral'), out });
    const tensors = await tensorsOf(out);
    for (const block of [0, 1])
      for (const part of ['gate', 'up', 'down']) {
        const counts = tensors.get(`blk.${block}.ffn_${part}_exps.weight.counts`)!;
        expect(counts).toHaveLength(4);
        expect(counts.reduce((sum, count) => sum + count)).toBe(2 * tokens);
        expect(Math.max(...counts)).toBeLessThanOrEqual(tokens);
        const columns = part === 'down' ? 96 : 64;
        expect(tensors.get(`blk.${block}.ffn_${part}_exps.weight.in_sum2`)).toHaveLength(4 * columns);
      }
    expect([...tensors.get('blk.0.ffn_gate_inp.weight.counts')!]).toEqual([tokens]);
  });

  it('writes XᵀX of every input, which is symmetric and has the importance matrix’s sums on its diagonal', async () => {
    const [out, hessians] = [path('hessian.gguf'), path('hessians')];
    const result = await calibrate({ ...settings, path: path('mixtral'), out, hessians, memory: 'streamed' });
    expect(result.hessians).toBe(hessians);
    const sums = await tensorsOf(out);
    const files = readdirSync(hessians).sort();
    const dense = ['attn_output', 'attn_q', 'ffn_gate_inp'];
    const experts = ['ffn_down_exps', 'ffn_gate_exps'].flatMap((part) =>
      [0, 1, 2, 3].map((i) => `${part}.weight.expert.${i}`),
    );
    expect(files).toEqual(
      [0, 1]
        .flatMap((block) =>
          [...dense.map((part) => `${part}.weight`), ...experts].map(
            (name) => `blk.${block}.${name}.safetensors`,
          ),
        )
        .sort(),
    );
    for (const file of files) {
      const [[name, values]] = [...(await tensorsOf(join(hessians, file)))] as [[string, Float32Array]];
      expect(file).toBe(`${name}.safetensors`);
      const [tensor, expert = 0] = name.split('.expert.');
      const columns = Math.sqrt(values.length);
      const diagonal = sums
        .get(`${tensor}.in_sum2`)!
        .subarray(Number(expert) * columns, (Number(expert) + 1) * columns);
      expect(diagonal, name).toHaveLength(columns);
      let [worst, skew] = [0, 0];
      for (let i = 0; i < columns; i++) {
        worst = Math.max(worst, Math.abs(values[i * columns + i]! / diagonal[i]! - 1));
        for (let j = 0; j < i; j++) {
          const size = Math.sqrt(diagonal[i]! * diagonal[j]!);
          skew = Math.max(skew, Math.abs(values[i * columns + j]! - values[j * columns + i]!) / size);
        }
      }
      expect([worst < 1e-5, skew < 1e-5], `${name}: ${worst} off the sums, ${skew} apart`).toEqual([
        true,
        true,
      ]);
    }
  });

  it('states in the file of XᵀX whose inputs they are, and how many', async () => {
    const model = await openModel(path('hessians', 'blk.1.attn_q.weight.safetensors'));
    const { metadata, tensors } = model.description;
    await model.close();
    expect(tensors.map(({ dtype, shape }) => [dtype, shape])).toEqual([['F32', [64, 64]]]);
    const values = JSON.stringify(metadata);
    for (const part of ['q', 'k', 'v']) expect(values).toContain(`blk.1.attn_${part}.weight`);
    expect(values).toContain(String(tokens));
  });

  it('writes mean, mean square and largest magnitude of the inputs that the importance matrix is of', async () => {
    const [out, statistics] = [path('described.gguf'), path('inputs.safetensors')];
    await calibrate({ ...settings, path: path('mixtral'), out, statistics });
    const [found, sums] = [await tensorsOf(statistics), await tensorsOf(out)];
    const matrices = [...sums.keys()].filter((name) => name.endsWith('.in_sum2'));
    expect(found.size).toBe(4 * matrices.length);
    for (const name of matrices.map((sum) => sum.slice(0, -'.in_sum2'.length))) {
      const part = (what: string): Float32Array => found.get(`${name}.${what}`)!;
      const [mean, meanSquare, largest, counts] = ['mean', 'mean_square', 'absmax', 'counts'].map(part);
      expect(counts, name).toEqual(sums.get(`${name}.counts`));
      sums.get(`${name}.in_sum2`)!.forEach((sum, i) => {
        const count = counts![Math.floor((i * counts!.length) / largest!.length)]!;
        expect((meanSquare![i]! * count) / sum).toBeCloseTo(1, 5);
        expect(mean![i]! ** 2).toBeLessThanOrEqual(meanSquare![i]! * 1.00001);
        expect(largest![i]! ** 2).toBeGreaterThanOrEqual(meanSquare![i]! * 0.99999);
      });
    }
  });

  it('that is cancelled leaves the old file, and no other', async () => {
    const out = path('cancelled', 'imatrix.gguf');
    await calibrate({ ...settings, out, windows: 2 });
    const old = await readImatrix(out);
    const controller = new AbortController();
    const progress = ({ message }: EngineProgress): void => {
      if (message.startsWith('block 4')) controller.abort();
    };
    const ended = calibrate({ ...settings, out }, { signal: controller.signal, progress });
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(path('cancelled'))).toEqual(['imatrix.gguf']);
    expect(await readImatrix(out)).toEqual(old);
    expect(existsSync(path('cancelled', 'imatrix.gguf'))).toBe(true);
  });
});
