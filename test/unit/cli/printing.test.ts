import { beforeAll, describe, expect, it } from 'vitest';
import { printable } from '../../../src/protocol/printable';
import { json, table } from '../../../src/cli/text';
import type { ModelDescription } from '../../../src/protocol/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

const folder = temporaryFolder();
const clear = '\u001b[2J\u001b]0;owned\u0007';
const hostile = [
  clear,
  'two\nlines\r\ttabs',
  'c1 \u009b31m',
  'turn \u202etxet\u202c',
  'line \u2028 sep',
  '\u007f\u0000',
];
let cli: string;
let file: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  const tensors = Object.fromEntries(
    hostile.map((name, i) => [name, { dtype: 'F32', shape: [2, 4], data_offsets: [32 * i, 32 * (i + 1)] }]),
  );
  const bytes = safetensorsBytes({ __metadata__: { [clear]: clear }, ...tensors }, 32 * hostile.length);
  file = writeFile(folder, `${clear.replace('/', '')}.safetensors`, bytes);
});

/** Nothing but printable characters and line breaks. */
const harmless = /^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]*$/;

describe('what files hold', () => {
  it.each([
    ['inspect', []],
    ['inspect', ['--metadata']],
    ['inspect', ['--json']],
    ['stats', ['--tensor', clear]],
    ['stats', ['--tensor', hostile[1]!, '--json']],
    ['stats', ['--tensor', `${clear} no such`]],
    ['stats', ['--tensor', `${clear} no such`, '--json']],
    ['quantize', ['--tensor', clear, '--format', 'nf4']],
    ['quantize', ['--tensor', clear, '--format', clear]],
    ['sensitivity', ['--device', 'cpu', '--formats', 'nf4']],
    ['export', ['--type', clear, '--out', 'x.gguf']],
    ['inspect', [clear]],
    ['inspect', [`--${clear}`]],
    ['compare', ['@']],
  ])('never acts on the terminal: %s %j', async (command, options) => {
    const args = [command, file, ...options.map((option) => (option === '@' ? file : option))];
    const { stdout, stderr } = await runProgram(cli, args, { cache: folder });
    expect(stdout + stderr).not.toBe('');
    expect(stdout).toMatch(harmless);
    expect(stderr).toMatch(harmless);
  });

  it('is exact in JSON', async () => {
    const { stdout } = await runProgram(cli, ['inspect', file, '--json'], { cache: folder });
    const { tensors } = JSON.parse(stdout) as ModelDescription;
    expect(tensors.map(({ name }) => name).sort()).toEqual([...hostile].sort());
  });
});

describe('printable', () => {
  it('escapes as JSON does, and leaves everything else', () => {
    expect(printable(clear)).toBe('\\u001b[2J\\u001b]0;owned\\u0007');
    expect(printable('a\nb\tc\rd')).toBe('a\\nb\\tc\\rd');
    expect(printable('\u009b \u202e \ud800 \ufeff')).toBe('\\u009b \\u202e \\ud800 \\ufeff');
    const plain = 'C:\\models\\größe — 模型 👩‍💻 ∞ "quoted"';
    expect(printable(plain)).toBe(plain);
    expect(printable(printable(clear))).toBe(printable(clear));
  });

  it('leaves JSON the same document', () => {
    const value = { [clear]: hostile, number: NaN, list: [Infinity, -Infinity, undefined] };
    const text = json(value).split('\n').map(printable).join('\n');
    expect(JSON.parse(text)).toEqual({
      [clear]: hostile,
      number: 'NaN',
      list: ['Infinity', '-Infinity', null],
    });
    expect(JSON.parse(json(undefined))).toBeNull();
  });
});

describe('table', () => {
  it('aligns what is shown, escapes included, of any number of rows', () => {
    expect(
      table(
        ['name', 'n'],
        [
          ['a\nb', 1],
          ['c', 22],
        ],
      ),
    ).toEqual(['name   n', '────  ──', 'a\\nb   1', 'c     22']);
    const rows = Array.from({ length: 200_000 }, (_, i) => [`t${i}`, i]);
    expect(table(['name', 'n'], rows)).toHaveLength(200_002);
  });
});
