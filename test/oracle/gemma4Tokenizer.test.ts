import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { readArrayElements } from '../../src/model/ggufValue';
import { HeaderReader } from '../../src/model/headerReader';
import { hasSharedData, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { differing, ownIds, tokenizerFolder, tokenizerGguf } from '../support/tokenizerFile';
import { asTokenizerJson } from '../support/tokenizerJson';
import { mixedLines } from '../support/tokenizerLines';

const root = temporaryFolder();
const lines = [...mixedLines(), 'a\n\nb', 'a\n\n\nb', '\n', '  two  spaces ', '<|tool_call>x', ''];

/** Llama 2's vocabulary, as Gemma 4's tokenizer.json has its own. */
async function gemma4Json(): Promise<Record<string, unknown>> {
  const path = join(sharedData, 'gguf', 'llama-2-tiny-random.gguf');
  const model = await openModel(path);
  const read = async (name: string) => [
    ...(await readArrayElements(
      new HeaderReader(model.source(path)),
      model.gguf!.metadata.get(`tokenizer.ggml.${name}`)!,
    )),
  ];
  const base = asTokenizerJson(
    (await read('tokens')) as string[],
    (await read('scores')) as number[],
    (await read('token_type')) as number[],
  );
  await model.close();
  const pattern = { String: ' ' };
  const added = base['added_tokens'] as object[];
  const bpe = base['model'] as { vocab: Record<string, number>; merges: unknown[] };
  const vocab = { ...bpe.vocab, '\n': 32_001, '\n\n': 32_002 };
  return {
    ...base,
    model: { ...bpe, vocab, merges: [...bpe.merges, ['\n', '\n']] },
    normalizer: { type: 'Replace', pattern, content: '▁' },
    pre_tokenizer: { type: 'Split', pattern, behavior: 'MergedWithPrevious', invert: false },
    added_tokens: [...added, { id: 32_000, content: '<|tool_call>', special: true }],
    post_processor: null,
    decoder: null,
  };
}

describe.skipIf(!hasOracle || !hasSharedData)('the tokenizer of Gemma 4 in llama.cpp and here', () => {
  it('gives the ids of its tokenizer.json', async () => {
    const tokenizer = await gemma4Json();
    const folder = tokenizerFolder(join(root, 'gemma4'), { 'tokenizer.json': tokenizer });
    const { gguf, pairs } = await tokenizerGguf(folder, 32_003, { model_type: 'gemma4', bos_token_id: 1 });
    expect(pairs).toContainEqual({ key: 'tokenizer.ggml.model', type: 'string', value: 'gemma4' });
    const { tokens } = await llamaCpp('tokenize', { model: gguf, lines });
    expect(differing(lines, await ownIds(gguf, lines), tokens)).toEqual([]);
    const reference = new Tokenizer(tokenizer, {});
    const ids = lines.map((line) => reference.encode(line, { add_special_tokens: false }).ids);
    expect(differing(lines, ids, tokens)).toEqual([]);
  });
});
