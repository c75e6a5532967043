import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChatResult } from '../../../src/protocol/chat';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

const cache = temporaryFolder();
let cli: string;

beforeAll(async () => {
  ({ cli } = await buildPrograms());
});

const settings = ['chat', sampleFolder, '--variant', 'Q4_0', '--tokens', '6'];
const piped = (stdin: string, ...more: string[]) =>
  runProgram(cli, [...settings, '--turns', ...more], { cache, stdin });

describe('a conversation line by line', () => {
  it('goes on with the answers, of lines that are joined by a backslash, and is one JSON document', async () => {
    const { code, stdout, stderr } = await piped('ROMEO:\\\nWhat\n\n/variant\n thou\n', '--json');
    expect(code, stderr).toBe(0);
    const { turns } = JSON.parse(stdout) as { turns: ChatResult[] };
    expect(turns).toHaveLength(2);
    const [first, second] = turns as [ChatResult, ChatResult];
    // Both prompts are read once; of the answer the last token was chosen, but not read.
    expect(second.reused).toBeGreaterThanOrEqual(first.prompt.length + 3);
    const ids = second.prompt.slice(first.prompt.length, first.prompt.length + 3);
    expect(ids).toEqual(first.variant.tokens.slice(0, 3).map(({ id }) => id));
  });

  it('prints answers up to a stop text, and /reset starts a new conversation', async () => {
    const { code, stdout, stderr } = await piped('ROMEO:\n/causes\n/reset\nROMEO:\n', '--stop', ', I');
    expect(code, stderr).toBe(0);
    const answers = stdout.split(/^original: /m).slice(1);
    expect(answers).toHaveLength(2);
    expect(answers[0]).toContain('what moved ');
    expect(answers[0]!.startsWith(answers[1]!)).toBe(true);
    expect(stdout).not.toContain(', I');
    expect(stderr).toContain('A new conversation.');
  });

  it('ends when nobody reads it any more, though there are further lines', async () => {
    const stdin = 'ROMEO:\n'.repeat(200); // more than the context has room for, which is an error
    const { code, stderr } = await runProgram(cli, [...settings, '--turns'], {
      ...{ cache, stdin, closeStdout: true },
    });
    expect(code, stderr).toBe(0);
  });

  it('ends with an error where a line is none', async () => {
    const { code, stderr } = await piped('/nothing\nROMEO:\n');
    expect(code).toBe(1);
    expect(stderr).toContain('There is no /nothing.');
    expect((await piped('x', '--prompt', 'y')).code).toBe(2);
  });
});

const script = '/usr/bin/script';

/** The command on a terminal: keys are pressed once a text has appeared. */
async function onTerminal(
  args: readonly string[],
  keys: readonly (readonly [after: string, keys: string])[],
) {
  const command = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn(script, ['-qec', command, '/dev/null'], {
    env: { ...process.env, QUANTSCOPE_CACHE: cache, TERM: 'xterm' },
  });
  let [seen, from] = ['', 0];
  const waiting = [...keys];
  child.stdout.on('data', (data: Buffer) => {
    seen += data.toString();
    const [next] = waiting;
    if (!next || !seen.slice(from).includes(next[0])) return;
    waiting.shift();
    from = seen.length;
    child.stdin.write(next[1]);
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  return { code, seen };
}

describe.skipIf(process.platform !== 'linux' || !existsSync(script))('a conversation on a terminal', () => {
  it('asks for each turn, stops an answer with Ctrl+C, goes on after an error, and ends with Ctrl+D', async () => {
    const long = [...settings.slice(0, -1), '200'];
    const { code, seen } = await onTerminal(long, [
      ['> ', 'ROMEO:\r'],
      ['original: ', '\u0003'],
      ['The turn was stopped', '/nothing\r'],
      ['There is no /nothing.', '/reset\r'],
      ['A new conversation.', '\u0004'],
    ]);
    expect(code, seen).toBe(0);
    expect(seen).toContain('Ctrl+D ends.');
    expect(seen).not.toContain('along the answer');
  });

  it('forgets all lines of a turn with Ctrl+C', async () => {
    const { code, seen } = await onTerminal(settings, [
      ['> ', 'ROMEO:\\\r'],
      ['> ', '\u0003/reset\r'],
      ['A new conversation.', '\u0004'],
    ]);
    expect(code, seen).toBe(0);
    expect(seen).not.toContain('original: ');
  });

  it('ends after an answer during which the end of the input came', async () => {
    const { code, seen } = await onTerminal(settings, [
      ['> ', 'ROMEO:\r'],
      ['original: ', '\u0004'],
    ]);
    expect(code, seen).toBe(0);
    expect(seen).toContain('along the answer');
  });
});
