import { beforeAll, describe, expect, it } from 'vitest';
import type { CausesResult, ChatResult } from '../../../src/protocol/chat';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type RunOptions } from '../../support/programs';

const cache = temporaryFolder();
let cli: string;

beforeAll(async () => {
  ({ cli } = await buildPrograms());
});

const chat = (args: readonly string[], options: Partial<RunOptions> = {}) =>
  runProgram(cli, ['chat', sampleFolder, '--tokens', '6', ...args], { cache, ...options });

describe('quantscope chat', () => {
  it('prints both answers, the tokens that differ most, and the tensors that moved one', async () => {
    const args = ['--variant', 'Q2_K', '--prompt', 'ROMEO:\nWhat', '--causes'];
    const { code, stdout, stderr } = await chat(args);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('the model has no chat template, and both go on with it');
    expect(stdout).toMatch(/^original \(6 tokens, ended by the most tokens\)$/m);
    expect(stdout).toMatch(/^Q2_K \(6 tokens/m);
    expect(stdout).toMatch(/the variant chooses another token at \d of 6/);
    expect(stdout).toMatch(/^what moved ".*": KLD 0\.\d+, errors of 44 tensors add up to 0\.\d+$/m);
  });

  it('says that no tensor differs where none does', async () => {
    const { code, stdout } = await chat(['--variant', sampleFolder, '--prompt', 'ROMEO:', '--causes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nwhat moved ".*": KLD 0, as no tensor differs\n$/);
  });

  it('reads what the user says from stdin, and gives it all as JSON', async () => {
    const args = ['--variant', 'Q4_0', '--temperature', '0.8', '--seed', '3', '--json'];
    const [piped, given] = [
      await chat(args, { stdin: 'JULIET:\n' }),
      await chat([...args, '--causes', '--prompt', 'JULIET:']),
    ];
    expect(piped.code, piped.stderr).toBe(0);
    const [one, other] = [piped, given].map(({ stdout }) => JSON.parse(stdout) as ChatResult);
    expect(one!.prompt).toEqual(other!.prompt);
    expect(one!.original).toEqual(other!.original);
    const { causes } = other as ChatResult & { causes: CausesResult & { token: number } };
    expect(causes.divergence).toBeCloseTo(other!.original.tokens[causes.token]!.divergence, 5);
  });

  it.each([
    [['--prompt', 'x'], '--variant is missing'],
    [['--variant', 'Q3_K_X', '--prompt', 'x'], 'recipe "Q3_K_X". Did you mean "Q3_K_S"?'],
    [['--variant', 'Q4_0', '--temperature', '-1', '--prompt', 'x'], '--temperature'],
    [['--variant', 'Q4_0', '--top-p', '0', '--prompt', 'x'], '--top-p takes a number above 0'],
    [['--variant', 'Q4_0', '--seed', 'a', '--prompt', 'x'], '--seed takes a whole number, not "a"'],
  ])('says how it is used: %o', async (args, message) => {
    const { code, stderr } = await chat(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
