import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FitUse, MemoryUse } from '../../../src/protocol/fit';
import type { Plan } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
});

const recommend = (out: string, ...options: string[]): Promise<Ended> =>
  runProgram(
    programs.cli,
    [
      ...['recommend', sampleFolder, '--out', join(folder, out), '--device', 'cpu', '--weights-only'],
      ...options,
    ],
    { cache: folder },
  );

const planIn = (out: string): Plan => JSON.parse(readFileSync(join(folder, out), 'utf8')) as Plan;
const totalOf = ({ weights, cache, compute }: MemoryUse): number => weights + cache + compute;

/** Keys and values of the sample: 6 layers, 2 heads of 64 numbers for keys and for values. */
const cacheOf = (cells: number, bytesOfNumber: number): number => cells * 6 * 2 * 128 * bytesOfNumber;

describe('quantscope recommend --fit', () => {
  it('writes the best plan that leaves room for the context, and the options of llama.cpp', async () => {
    const options = ['--fit', '20MB', '--ctx-size', '2000', '--parallel', '2', '--kv-type', 'q8_0'];
    const { code, stdout, stderr } = await recommend('one.ampq.json', ...options);
    expect(code, stderr).toBe(0);
    const { fit, total, budget } = planIn('one.ampq.json');
    expect(fit).toEqual({ context: 2000, sequences: 2, cacheType: 'q8_0', memory: 20_000_000 });
    // Buffers: masks of 2,048 cells and activations of 3,328 numbers for each of 512 tokens, and 1 MiB.
    const others = cacheOf(2 * 2048, 34 / 32) + 512 * (2 * 2048 + 4 * 3328) + 2 ** 20;
    expect(budget).toEqual({ kind: 'bytes', value: 20_000_000 - others });
    expect(total.fileBytes).toBeLessThanOrEqual(20_000_000 - others);
    expect(stdout).toContain('Options of llama.cpp: -c 4000 -np 2 -ctk q8_0 -ctv q8_0 -fa on\n');
  });

  it('splits the model between a GPU and RAM, adding smaller formats until both parts fit', async () => {
    const options = ['--fit', '12MB', '--gpu-memory', '9MB', '--ctx-size', '512', '--json'];
    const { code, stdout, stderr } = await recommend('two.ampq.json', ...options);
    expect(code, stderr).toBe(0);
    const { plan, use } = JSON.parse(stdout) as { plan: Plan; use: Required<FitUse> };
    expect(totalOf(use.memory)).toBeLessThanOrEqual(12_000_000);
    expect(totalOf(use.gpu)).toBeLessThanOrEqual(9_000_000);
    expect(use.memory.cache + use.gpu.cache).toBe(cacheOf(512, 2));
    expect(plan.fit?.gpu?.layers).toBeGreaterThan(0);
    expect(planIn('two.ampq.json').fit).toEqual(plan.fit);
  });

  it('names what does not fit and the smallest memory', async () => {
    const { code, stderr } = await recommend('none.ampq.json', '--fit', '3MB');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /The model does not fit into 3\.00 MB: it takes at least \d\.\d\d MB \(\d+B: .* of weights/,
    );
  });

  it.each([
    [['--budget', '4bpw', '--fit', '8GB'], /Give --budget, .* or --fit for a memory, or --beat/],
    [['--budget', '4bpw', '--kv-type', 'q8_0'], /--kv-type are for --fit/],
    [['--fit', '8GB', '--gpu-layers', '3'], /--gpu-layers and --cpu-moe are for --gpu-memory/],
    [['--fit', '4bpw'], /--fit takes a size, such as 8GB, .* not "4bpw"/],
    [['--fit', '8GB', '--kv-type', 'q9'], /--kv-type takes f32, .* not "q9"/],
  ])('ends with 2 and a hint for %j', async (options, hint) => {
    const { code, stderr } = await recommend('none.ampq.json', ...options);
    expect([code, stderr]).toEqual([2, expect.stringMatching(hint)]);
  });
});
