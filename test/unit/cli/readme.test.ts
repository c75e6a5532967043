import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseInvocation } from '../../../src/cli/invocation';
import { usage } from '../../../src/cli/usage';
import { projectRoot } from '../../support/files';

/** Words of a line for a shell, which uses no quotes but simple ones. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

const callsIn = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^\s*quantscope [a-z]/.test(line)).map((line) => line.trim());

describe('calls that are shown to users', () => {
  const readme = callsIn(readFileSync(join(projectRoot, 'README.md'), 'utf8').split('\n'));
  const help = callsIn(usage());

  it('are found', () => {
    expect(readme.length).toBeGreaterThan(12);
    expect(help).toHaveLength(3);
  });

  it.each([...readme, ...help])('are complete: %s', (call) => {
    const [, name, ...rest] = wordsOf(call);
    const { command } = parseInvocation([name!, ...rest]);
    expect(command.name).toBe(name);
  });
});
