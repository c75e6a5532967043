import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkDigests, thisFile } from '../../src/cli/command';
import { commands } from '../../src/cli/commands';
import { commandNamed, parseInvocation } from '../../src/cli/invocation';
import {
  argumentsOf,
  documentation,
  inlineCode,
  prepareFolder,
  runnableArguments,
} from '../support/documentation';
import { temporaryFolder } from '../support/files';
import { buildPrograms, runProgram } from '../support/programs';

const pages = documentation();
const cache = temporaryFolder();
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

/** Options of any command, and those of the scripts of this repository. */
const options = new Set([
  ...commands.flatMap((command) => Object.keys(command.options)),
  ...['json', 'help', thisFile, checkDigests],
  ...['simd', 'types', 'write', 'folder', 'model'],
]);

describe('the documentation', () => {
  it('has commands for all that the program does', () => {
    const shown = new Set(pages.flatMap((page) => page.commands.map((command) => argumentsOf(command)[0])));
    expect(commands.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  it.each(pages)('names only commands and options that exist: $name', ({ text }) => {
    const code = inlineCode(text);
    const named = code.flatMap((words) => /^quantscope ([a-z-]+)/.exec(words)?.slice(1) ?? []);
    expect(named.filter((name) => name !== 'help' && !commandNamed(name))).toEqual([]);
    const given = code.flatMap((words) =>
      [...words.matchAll(/(?:^|\s)--([a-z\d-]+)/g)].map(([, name]) => name!),
    );
    expect(given.filter((name) => !options.has(name))).toEqual([]);
  });
});

describe.each(pages.filter((page) => page.commands.length > 0))('the commands of $name', (page) => {
  const folder = temporaryFolder();

  beforeAll(() => prepareFolder(folder, page));

  it.each(page.commands)('%s', async (command) => {
    const args = runnableArguments(command);
    const { options: given } = parseInvocation(args);
    const { code, stderr } = await runProgram(cli, args, { cache, cwd: folder });
    expect(code, stderr).toBe(0);
    const out = given['out'];
    if (typeof out === 'string') expect(existsSync(join(folder, out))).toBe(true);
  });
});
