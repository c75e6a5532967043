import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { textTokenizer } from '../../../src/evaluation/tokenizer/textTokenizer';
import type { TokenizerJson } from '../../../src/evaluation/tokenizer/tokenizerJson';
import { inBoundedTime } from '../../../src/model/boundedTime';
import { QuantscopeError } from '../../../src/model/errors';
import { hasSharedData, sharedData, temporaryFolder } from '../../support/files';
import { processorTime } from '../../support/processorTime';

const hostile = (name: string): string => readFileSync(join(sharedData, 'cases', 'hostile', name), 'utf8');

describe('the time of a tokenizer', () => {
  it.skipIf(!hasSharedData)('ends where a normalizer’s expression does not', async () => {
    const json = JSON.parse(hostile('tokenizer-regex-normalizer.json')) as TokenizerJson;
    const text = hostile('tokenizer-regex-normalizer.txt');
    const parts = { json: { ...json, post_processor: null }, file: 'tokenizer.json', size: 260 };
    const spent = processorTime();
    const tokenizer = () => textTokenizer({ ...parts, addsBos: false, addsEos: false, timeLimit: 300 });
    await expect((async () => tokenizer().encode(text))()).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringMatching(/did not finish a piece of text in 0\.3 seconds/) as string,
      place: { file: 'tokenizer.json' },
    });
    expect(spent()).toBeLessThan(10_000);
  });

  it('lets errors of the work through, and results', () => {
    const fault = new TypeError('a fault');
    const tooLong = () => new QuantscopeError('REQUEST', 'too long');
    const failing = () => {
      throw fault;
    };
    expect(() => inBoundedTime(failing, 1000, tooLong)).toThrow(fault);
    expect(inBoundedTime(() => 7, 1000, tooLong)).toBe(7);
  });

  it('ends with Ctrl-C', async () => {
    const program = join(temporaryFolder(), 'endless.mjs');
    const contents = `
      import { inBoundedTime } from './src/model/boundedTime';
      process.on('SIGINT', () => {}); // a signal before or after the work ends nothing
      console.log('started');
      const endless = () => /(a|a)*b$/.test('a'.repeat(60));
      try { inBoundedTime(endless, 60_000, () => new Error('too long')); } catch (error) { console.log(error.code); }`;
    const stdin = { contents, resolveDir: process.cwd(), loader: 'ts' } as const;
    await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: program });
    const child = spawn(process.execPath, [program]);
    let output = '';
    const signals = setInterval(() => output !== '' && child.kill('SIGINT'), 50);
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    await once(child, 'close');
    clearInterval(signals);
    expect(output).toBe('started\nCANCELLED\n');
  });
});
