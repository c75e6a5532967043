import { beforeAll, describe, expect, it } from 'vitest';
import { sampleWeights, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const cache = temporaryFolder();
const tensor = 'model.layers.0.self_attn.q_proj.weight';
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

const lens = (...args: string[]): Promise<Ended> =>
  runProgram(cli, ['lens', sampleWeights, '--tensor', tensor, ...args], { cache });

interface Row {
  readonly grid: string;
  readonly method: string;
  readonly pareto: boolean;
  readonly bitsPerWeight: number;
  readonly error: { readonly relativeError: number };
}

async function rowsOf(...args: string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await lens(...args, '--json');
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { readonly rows: Row[] }).rows;
}

describe('quantscope lens', () => {
  it('has the usual recipes by bits, and marks those that no other one beats', async () => {
    const rows = await rowsOf();
    expect(rows.length).toBeGreaterThan(30);
    const bits = rows.map(({ bitsPerWeight }) => bitsPerWeight);
    expect(bits).toEqual([...bits].sort((a, b) => a - b));
    const front = await rowsOf('--pareto');
    expect(front.map(({ grid }) => grid)).toEqual(
      rows.filter(({ pareto }) => pareto).map(({ grid }) => grid),
    );
    const errors = front.map(({ error }) => error.relativeError);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
  });

  it('takes grids and methods by name, in another order', async () => {
    const rows = await rowsOf(
      ...['--grid', 'int3-g64', '--grid', 'Q8_0', '--method', 'rtn', '--method', 'ecb', '--sort', 'error'],
    );
    expect(rows.map(({ grid, method }) => `${grid} ${method}`)).toEqual([
      ...['Q8_0 rtn', 'int3-g64 ecb', 'int3-g64 rtn'],
    ]);
    expect((await rowsOf('--method', 'ecb')).every(({ method }) => method === 'ecb')).toBe(true);
  });

  it('refuses a method that is not known, also among others', async () => {
    const { code, stderr } = await lens('--method', 'ecb', '--method', 'gptqq');
    expect(code).not.toBe(0);
    expect(stderr).toContain('gptqq');
  });

  it('prints what was not measured, and why', async () => {
    const { stdout } = await lens('--grid', 'int3-g64', '--grid', 'Q8_0');
    expect(stdout).toMatch(/^int3-g64 +ecb +● +3\.2500/m);
    expect(stdout).toContain('(--calibration FILE) adds 4 recipes by Hessian, 1 recipe by activations.');
    expect(stdout).toContain('Not Q8_0 by ecb: ECB does not take types of GGUF.');
  });

  it.each([
    [['--sort', 'size'], '--sort takes bits, error, mse, max or time, not "size".'],
    [['--all', '--grid', 'Q8_0'], '--all and --grid exclude each other.'],
    [['--tokens', '1024'], '--tokens needs --calibration.'],
    [['--grid', 'int44'], '"int44" is not a grid.'],
    [['--method', 'gtpq'], 'There is no method "gtpq".'],
  ])('rejects %j', async (args, message) => {
    const { code, stderr } = await lens(...args);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });
});
