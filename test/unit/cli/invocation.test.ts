import { describe, expect, it } from 'vitest';
import { commands } from '../../../src/cli/commands';
import { parseInvocation } from '../../../src/cli/invocation';
import { runCommandLine } from '../../../src/cli/run';
import { Terminal } from '../../../src/cli/terminal';

/** What a command line prints, without running in a process of its own. */
async function printed(args: readonly string[], columns?: number) {
  const texts = { out: '', err: '' };
  const stream = (name: 'out' | 'err') =>
    ({ columns, write: (text: string) => (texts[name] += text) }) as unknown as NodeJS.WriteStream;
  const terminal = new Terminal(stream('out'), stream('err'));
  const code = await runCommandLine(args, terminal, new AbortController().signal);
  return { code, ...texts };
}

const longest = (text: string): number =>
  text.split('\n').reduce((most, line) => Math.max(most, line.length), 0);

describe('arguments', () => {
  it.each([
    [['export', 'm', '--type', 'F16', '--type', 'Q4_0'], '--type is given more than once.'],
    [['export', 'm', '--out', ''], 'The value of --out is empty.'],
    [['inspect', ''], 'MODEL is empty.'],
    [['compare', 'a', ''], 'OTHER is empty.'],
    [['gains', 'export', ''], 'MODEL is empty.'],
    [['recommend', 'm', '--kld', '-1', '--out', 'p'], '--kld has no value; one that starts with a dash is'],
  ])('are neither ignored nor guessed at: %j', (args, message) => {
    expect(() => parseInvocation(args)).toThrow(message);
  });

  it('may be given several times where all of them count', () => {
    const { options } = parseInvocation(['export', 'm', '--tensor-type', 'a=Q4_0', '--tensor-type', 'b=F16']);
    expect(options['tensor-type']).toEqual(['a=Q4_0', 'b=F16']);
  });

  it('that are wrong are told as JSON, too', async () => {
    const { code, out, err } = await printed(['export', 'm', '--colour', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({
      error: { code: 'USAGE', message: 'export has no option --colour.' },
    });
    expect(err).toContain('quantscope: export has no option --colour.');
  });
});

describe('help', () => {
  it.each(['--help', ...commands.map(({ name }) => `${name} --help`)])(
    'fits into 80 columns, and into those of a terminal: %s',
    async (line) => {
      const { code, out } = await printed(line.split(' '));
      expect(code).toBe(0);
      expect(longest(out)).toBeLessThanOrEqual(80);
      expect(longest((await printed(line.split(' '), 60)).out)).toBeLessThanOrEqual(79); // examples of commands are not broken
    },
  );

  it('is that of a command where one is named', async () => {
    expect(await printed(['help', 'export'])).toEqual(await printed(['export', '--help']));
    expect(await printed(['help', 'exprt'])).toMatchObject({ code: 2, out: '' });
  });
});
