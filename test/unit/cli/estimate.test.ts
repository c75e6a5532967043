import { beforeAll, describe, expect, it } from 'vitest';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

const cache = temporaryFolder();
let cli: string;
beforeAll(async () => {
  ({ cli } = await buildPrograms());
});
const run = (...args: string[]) => runProgram(cli, ['estimate', sampleFolder, ...args], { cache });

describe('quantscope estimate', () => {
  it('says what fits into a memory, and how fast', async () => {
    const { stdout, code } = await run('--memory', '10MB', '--bandwidth', '1GB/s');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ +16\.00 +10\.49 MB .* 5\.87 MB too much +[\d.]+ +as stored$/m);
    expect(stdout).toMatch(/^ +4\.\d\d .* fits, [\d.]+ MB left +[\d.]+ +Q4_K_M$/m);
    expect(stdout).toContain('bitsandbytes NF4');
    expect(stdout).toContain('Programs reach some 60 to 85 %');
  });

  it('says nothing of speed where no bandwidth is given', async () => {
    const { stdout } = await run('--memory', '10MB');
    expect(stdout).toContain('Weights are the exact bytes');
    expect(stdout).not.toMatch(/tokens per second|tokens\/s/i);
  });

  it('of one format says which devices hold it', async () => {
    const { stdout } = await run('--format', 'q4_k_m');
    expect(stdout).toMatch(/ yes +GeForce RTX 4090, 24 GiB$/m);
  });

  it('as JSON has bytes and tokens per second', async () => {
    const { stdout } = await run('--format', 'stored', '--memory', '1MB', '--bandwidth', '1GB/s', '--json');
    const { targets } = JSON.parse(stdout) as { targets: Record<string, unknown>[] };
    expect(targets[0]).toMatchObject({ fits: false, weights: { bytes: 10_492_416 } });
    expect(targets[0]!['tokensPerSecond']).toBeCloseTo(1e9 / (10_492_416 - 524_288 + 786_432), 2);
  });

  it.each([
    [['--memory', 'much'], /--memory takes a size, such as 8GB or 7\.5GiB, not "much"/],
    [['--bandwidth', '3bpw'], /--bandwidth takes bytes per second/],
    [['--kv', 'f17'], /--kv takes f32/],
    [['--context', '0'], /--context takes a whole number of at least 1/],
    [['--format', 'Q4_KM'], /There is no format "Q4_KM"\. Did you mean "Q4_K_M"\?/],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
