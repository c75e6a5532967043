import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggmlPreTokenizers } from '../../../src/evaluation/tokenizer/ggmlPreTokenizers';
import { tokenizerJsonOf } from '../../../src/evaluation/tokenizer/ggufTokenizer';
import {
  fileValues,
  tokenizerValues,
  type TokenizerValues,
} from '../../../src/evaluation/tokenizer/ggufValues';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import { piecesOf } from '../../../src/evaluation/tokenizer/pieces';
import { textTokenizer } from '../../../src/evaluation/tokenizer/textTokenizer';
import { openModel } from '../../../src/layouts/openModel';
import { hasSharedData, sampleFolder, sharedData } from '../../support/files';
import { mixedLines } from '../../support/tokenizerLines';

const text = `${mixedLines().join('\n')} and ${mixedLines().reverse().join(' ')}`;

async function valuesOf(name: string): Promise<TokenizerValues> {
  const model = await openModel(join(sharedData, 'gguf', `ggml-vocab-${name}.gguf`));
  const values = await tokenizerValues(fileValues(model));
  await model.close();
  return values;
}

/** Ids of the text in one piece and in the smallest ones, whose number is returned. */
async function bothWays(values: TokenizerValues, source = text) {
  const parts = { ...values, json: tokenizerJsonOf(values), size: values.tokens.length };
  let pieces = 0;
  const counted = new Proxy(new AbortController().signal, {
    get: (signal, key) => {
      if (key === 'aborted') pieces += 1; // asked once for each piece, and at the end
      return Reflect.get(signal, key) as unknown;
    },
  });
  const whole = await textTokenizer({ ...parts, pieceSize: Infinity }).encode(source);
  const small = await textTokenizer({ ...parts, pieceSize: 1 }).encode(source, { signal: counted });
  return { whole, small, pieces: pieces - 1 };
}

/** They make tokens of words with the spaces between them, so there is no border. */
const acrossSpaces: ReadonlySet<string> = new Set(['superbpe', 'exaone-moe']);

describe.skipIf(!hasSharedData)('a text encoded in pieces', () => {
  it.each(['gpt-2', 'llama-spm', 'phi-3'])(
    'has the ids of the whole with the vocabulary of %s',
    async (name) => {
      const { whole, small, pieces } = await bothWays(await valuesOf(name));
      expect(small).toEqual(whole);
      expect(pieces).toBeGreaterThan(500);
    },
  );

  it('has them without a space before the text, too', async () => {
    const { whole, small, pieces } = await bothWays({
      ...(await valuesOf('llama-spm')),
      addSpacePrefix: false,
    });
    expect(small).toEqual(whole);
    expect(pieces).toBeGreaterThan(500);
  });

  it('has them however words are cut', async () => {
    const values = await valuesOf('gpt-2');
    const differing = new Map([...ggmlPreTokenizers].map(([pre, { patterns }]) => [String(patterns), pre]));
    expect(differing.size).toBeGreaterThan(15);
    const shorter = mixedLines().slice(0, 90).join('\n');
    for (const pre of differing.values()) {
      const { whole, small, pieces } = await bothWays({ ...values, pre }, shorter);
      expect(small, pre).toEqual(whole);
      if (acrossSpaces.has(pre)) expect(pieces, pre).toBe(1);
      else expect(pieces, pre).toBeGreaterThan(100);
    }
  });

  it('is not split next to tokens of the vocabulary that span a border', async () => {
    const values = await valuesOf('llama-spm');
    const id = values.tokens.length;
    const spanning = {
      ...values,
      tokens: [...values.tokens, 'e▁'],
      scores: [...values.scores, 1],
      types: [...values.types, 1],
    };
    const { whole, small } = await bothWays(spanning);
    expect(whole).toContain(id);
    expect(small).toEqual(whole);
  });

  it('is not split where added tokens might begin or end', async () => {
    const values = await valuesOf('llama-spm');
    const added = { ...values, tokens: [...values.tokens, 'fox'], types: [...values.types, 4] };
    const { whole, small, pieces } = await bothWays(added);
    expect(whole).toContain(32_000);
    expect(small).toEqual(whole);
    expect(pieces).toBe(1);
  });
});

describe('pieces', () => {
  const rule = { addsSpace: false, beforeSpace: () => true, beforeLineBreak: () => true };
  const texts = (source: string, size: number, change: object = {}) =>
    [...piecesOf(source, { ...rule, ...change }, size)].map(({ text: piece, extra }) => [piece, extra]);

  it('end at the first border after their size', () => {
    expect(texts('ab cd, ef gh\nij', 4)).toEqual([
      ['ab cd, ef', 0],
      [' gh\nij', 0],
    ]);
    expect(texts('ab cd, ef gh\nij', 1)).toEqual([
      ['ab', 0],
      [' cd, ef', 0],
      [' gh', 0],
      ['\nij', 0],
    ]);
  });

  it('leave the space out that is put before every text, and count it where there is a line break', () => {
    expect(texts('ab cd\n ef', 1, { addsSpace: true })).toEqual([
      ['ab', 0],
      ['cd', 0],
      ['\n ef', 1],
    ]);
  });

  it('are the whole text where nothing is known or nothing fits', () => {
    expect([...piecesOf('ab cd ef', undefined, 1)]).toEqual([{ text: 'ab cd ef', extra: 0 }]);
    expect(texts('ab cd ef', 1, { beforeSpace: () => false })).toEqual([['ab cd ef', 0]]);
    expect(texts('', 1)).toEqual([['', 0]]);
  });
});

describe('encoding', () => {
  it('stops between pieces when it is cancelled', async () => {
    const model = await openModel(sampleFolder);
    const tokenizer = await openTokenizer(model);
    await model.close();
    const long = readFileSync(join(sampleFolder, 'generated-eval.txt'), 'utf8').repeat(100);
    const controller = new AbortController();
    const encoding = tokenizer.encode(long, { signal: controller.signal });
    setImmediate(() => controller.abort()); // the turn that the first piece leaves to others
    await expect(encoding).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(tokenizer.encode('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});
