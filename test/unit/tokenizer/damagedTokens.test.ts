import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTokenizer } from '../../../src/tokenizer/readTokenizer';
import { temporaryFolder } from '../../support/files';

const root = temporaryFolder();
let folders = 0;

const byteLevel = {
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 } as Record<string, unknown>, merges: ['a b'] },
};

const withToken = (type: string, text: string, id: unknown) => ({
  ...byteLevel,
  model: { ...byteLevel.model, type, vocab: { ...byteLevel.model.vocab, [text]: id } },
});

async function reading(files: Record<string, unknown>): Promise<unknown> {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const [name, content] of Object.entries({ 'tokenizer.json': byteLevel, ...files }))
    writeFileSync(join(folder, name), JSON.stringify(content));
  return readTokenizer(folder, {}, 6);
}

describe('tokens that are none', () => {
  it.each([
    ...['x', null, -1, 0.5, true, [3]].flatMap((id) =>
      ['BPE', 'WordPiece'].map((type) => ({ 'tokenizer.json': withToken(type, 'odd', id) })),
    ),
    ...[null, 'x', {}, { id: 3 }, { id: '3', content: '<s>' }, { content: '<s>' }].map((entry) => ({
      'tokenizer.json': { ...byteLevel, added_tokens: [entry] },
    })),
    { 'tokenizer.json': { ...byteLevel, added_tokens: { '3': { content: '<s>' } } } },
    { 'tokenizer_config.json': { added_tokens_decoder: { third: { content: '<s>' } } } },
    { 'tokenizer_config.json': { added_tokens_decoder: { '3': '<s>' } } },
    { 'tokenizer_config.json': { added_tokens_decoder: [] } },
    { 'added_tokens.json': { '<s>': '3' } },
  ])('are not left out in silence: %j', async (files) => {
    const [file] = Object.keys(files);
    const problem = { code: 'MODEL_FILE', place: { file: expect.stringContaining(file!) as string } };
    await expect(reading(files)).rejects.toMatchObject(problem);
  });

  it('are named', async () => {
    await expect(reading({ 'tokenizer.json': withToken('BPE', 'odd', 'x') })).rejects.toThrow(
      /^The token "odd" with the id "x" is not as tokenizers have it: .*tokenizer\.json\)$/,
    );
  });

  it('may be absent', async () => {
    const none = { 'tokenizer.json': { ...byteLevel, added_tokens: null } };
    await expect(reading(none)).resolves.toBeDefined();
  });
});
