import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compareLogits } from '../../../src/evaluation/chat/compareLogits';
import { quantizedVariant } from '../../../src/engine/evaluation/weightVariant';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { ChatParams, ChatResult, ChatText } from '../../../src/protocol/chat';
import type { EngineProgress } from '../../../src/protocol/engine';
import { windowLogits } from '../../support/decoderLogits';
import { checkpoints } from '../../support/checkpoints';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
const user = (content: string) => [{ role: 'user', content }] as const;
const usual: ChatParams = {
  ...{ path: sampleFolder, cacheDir, device: 'cpu', tokens: 24 },
  ...{ variant: { type: 'Q2_K' }, messages: user('ROMEO:\nWhat') },
};
const chat = (params: Partial<ChatParams> = {}, context = {}) =>
  request('chat/run', { ...usual, ...params }, context);
const idsOf = ({ tokens }: ChatText): number[] => tokens.map(({ id }) => id);

/** The sample with a chat template, in which a line ends a turn. */
const template =
  "{{ bos_token }}{% for m in messages %}{{ m.role | upper + ':\n' + m.content + '\n\n' }}{% endfor %}{{ 'JULIET:\n' }}";
const chatFolder = join(folder, 'chat');
const write = (name: string, more: object): void => {
  const file = join(chatFolder, name);
  const known = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...known, ...more }));
};

beforeAll(() => {
  cpSync(sampleFolder, chatFolder, { recursive: true });
  write('tokenizer_config.json', { chat_template: template });
  write('generation_config.json', { eos_token_id: [1023, 198] });
});

describe('two models that answer side by side', () => {
  let result: ChatResult;
  const progress: EngineProgress[] = [];
  beforeAll(async () => {
    result = await chat({}, { progress: (step: EngineProgress) => progress.push(step) });
  });

  it('choose their most probable tokens, and are compared at each token of both answers', async () => {
    const model = await openModel(sampleFolder);
    const { changes } = await quantizedVariant(model, { type: 'Q2_K', allowRequantize: true });
    for (const side of ['original', 'variant'] as const) {
      const text = Int32Array.from([...result.prompt, ...idsOf(result[side])]);
      const rows = async (options: { changes?: typeof changes }) => {
        const decoder = await openDecoder(model, {
          ...{ device: 'ort-cpu', length: text.length, keep: true, ...options },
        });
        const logits = await windowLogits(decoder, text);
        await decoder.close();
        return logits;
      };
      const [original, variant] = [await rows({}), await rows({ changes })];
      result[side].tokens.forEach(({ id, divergence, probability }, i) => {
        const at = result.prompt.length - 1 + i;
        const pair = { original: original[at]!, variant: variant[at]! };
        expect(id).toBe(pair[side].indexOf(Math.max(...pair[side])));
        const expected = compareLogits(pair);
        expect(divergence).toBeCloseTo(expected.divergence, 5);
        expect(probability.variant).toBeCloseTo(expected.probability(id).variant, 4);
      });
    }
    await model.close();
  });

  it('have one answer up to where they differ, and name what the other would have said there', () => {
    const [original, variant] = [idsOf(result.original), idsOf(result.variant)];
    const first = original.findIndex((id, i) => id !== variant[i]);
    expect(first).toBeGreaterThan(0);
    expect(result.original.tokens.slice(0, first)).toEqual(result.variant.tokens.slice(0, first));
    const [a, b] = [result.original.tokens[first]!, result.variant.tokens[first]!];
    expect([a.instead, b.instead]).toEqual([b.text, a.text]);
    expect(a.divergence).toBe(b.divergence);
    expect(result.original.tokens.map(({ text }) => text).join('')).toBe(result.original.text);
  });

  it('tell of the answers while they are written, and of the tokens that are left', () => {
    const lengths = progress.flatMap(({ chat: answers }) => answers?.original.length ?? []);
    expect(lengths).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    const last = progress.at(-1)!;
    expect([last.done, last.total]).toEqual([result.prompt.length + 24, result.prompt.length + 24]);
    expect(last.chat!.original.map(([text]) => text).join('')).toBe(result.original.text);
  });

  it('say the same of a file that an export writes', async () => {
    const out = join(folder, 'Q2_K.gguf');
    await request('export/gguf', { path: sampleFolder, type: 'Q2_K', out });
    const ofFile = await chat({ variant: { other: out } });
    expect(ofFile.label).toBe('Q2_K');
    expect(idsOf(ofFile.variant)).toEqual(idsOf(result.variant));
    ofFile.original.tokens.forEach(({ divergence }, i) =>
      expect(divergence).toBeCloseTo(result.original.tokens[i]!.divergence, 5),
    );
  });

  it('say the same when weights are read again for each token', async () => {
    const streamed = await chat({ memory: 'streamed', tokens: 3 });
    expect(streamed.memory).toBe('streamed');
    expect(idsOf(streamed.original)).toEqual(idsOf(result.original).slice(0, 3));
  });

  it('agree without differences, also when they draw', async () => {
    const same = await chat({ variant: { other: sampleFolder }, temperature: 1, seed: 5 });
    expect(same.variant).toEqual(same.original);
    expect(same.original.tokens.every(({ divergence }) => divergence < 1e-6)).toBe(true);
    expect(idsOf(same.original)).not.toEqual(idsOf(result.original));
    const again = await chat({ variant: { type: 'Q8_0' }, temperature: 1, seed: 5 });
    expect(idsOf(again.original)).toEqual(idsOf(same.original));
  });

  it('answer in mixtures of experts, and in models with states', async () => {
    for (const name of ['mixtral', 'mamba2']) {
      const path = join(folder, name);
      await writeCheckpoint(path, name);
      const found = await chat({ path, variant: { format: 'Q8_0' }, tokens: 6 });
      expect(found.original.tokens).toHaveLength(6);
      expect(found.original.tokens[0]!.divergence).toBeGreaterThan(0);
    }
  });

  it('stop when they are cancelled, at a token', async () => {
    const controller = new AbortController();
    let answered = 0;
    const ended = chat(
      {},
      {
        signal: controller.signal,
        progress: ({ chat: answers }: EngineProgress) => {
          answered = answers?.original.length ?? 0;
          if (answered === 3) controller.abort();
        },
      },
    );
    await expect(ended).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(answered).toBe(3);
  });
});

describe('a conversation', () => {
  it('is written by the chat template of a checkpoint, and of the file that is exported of it', async () => {
    const out = join(folder, 'chat.gguf');
    await request('export/gguf', { path: chatFolder, type: 'Q8_0', out });
    const messages = [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Who art thou?' },
    ] as const;
    const found = await chat({ path: chatFolder, messages, tokens: 2 });
    const model = await openModel(chatFolder);
    const tokenizer = await openTokenizer(model);
    expect(found.hasTemplate).toBe(true);
    expect(tokenizer.decode(found.prompt)).toBe(
      '<|endoftext|>SYSTEM:\nBe kind.\n\nUSER:\nWho art thou?\n\nJULIET:\n',
    );
    expect(found.prompt[0]).toBe(1023);
    await model.close();
    const ofFile = await chat({ path: out, messages, variant: { other: chatFolder }, tokens: 2 });
    expect(ofFile.prompt).toEqual(found.prompt);
  });

  it('ends with a token that generation_config.json names', async () => {
    const { original } = await chat({ path: chatFolder, tokens: 60, variant: { type: 'Q8_0' } });
    const ending = original.tokens.at(-1)!;
    expect([198, 1023]).toContain(ending.id);
    expect(original.end).toBe('token');
    expect(original.text).toBe(
      original.tokens
        .slice(0, -1)
        .map(({ text }) => text)
        .join(''),
    );
  });

  it('ends before a stop text, and at the end of the context', async () => {
    const { original } = await chat({ stop: ['Nurse'] });
    expect(original.end).toBe('stop');
    expect(original.text).not.toContain('Nurse');
    const long = await chat({ messages: user('word '.repeat(245)), tokens: 250, variant: { type: 'Q8_0' } });
    expect(long.original.end).toBe('context');
    expect(long.prompt.length + long.original.tokens.length).toBe(256);
  });

  it.each<[string, Partial<ChatParams>]>([
    ['Name one variant', { variant: {} }],
    ['Name one variant', { variant: { type: 'Q4_0', format: 'Q4_0' } }],
    ['there is no room for an answer', { messages: user('word '.repeat(300)) }],
    ['There is no text', { messages: user('') }],
    ['has no chat template', { messages: [{ role: 'system', content: 'x' }, ...user('y')] }],
    ['"messages" must be turns', { messages: [] }],
    ['"messages" must be turns', { messages: [{ role: 'tool', content: 'x' }] as never }],
    ['"temperature" must be', { temperature: -1 }],
    ['"topP" must be', { topP: 0 }],
    ['"seed" must be', { seed: 0.5 }],
    ['"stop" has an empty text', { stop: [''] }],
    ['"type" is', { variant: { type: 7 } as never }],
  ])('is refused: %s', async (message, params) => {
    await expect(chat(params)).rejects.toThrow(message);
  });

  it('names the file of a template that fails, which need not be that of the tokenizer', async () => {
    const failing = "{{ raise_exception('no such turns') }}";
    const refused = (path: string) =>
      chat({ path, variant: { format: 'Q8_0' } }).catch((error: Error) => error.message);
    const path = join(folder, 'template');
    cpSync(sampleFolder, path, { recursive: true });
    const file = join(path, 'chat_template.jinja');
    writeFileSync(file, failing);
    expect(await refused(path)).toMatch(
      /chat_template\.jinja.*no such turns|no such turns.*chat_template\.jinja/s,
    );
    rmSync(file);
    const config = join(path, 'tokenizer_config.json');
    const known = JSON.parse(readFileSync(config, 'utf8')) as object;
    writeFileSync(config, JSON.stringify({ ...known, chat_template: failing }));
    expect(await refused(path)).toContain('tokenizer_config.json');
  });

  it('is refused with a variant of as many tokens with other texts', async () => {
    const path = join(folder, 'renamed');
    cpSync(sampleFolder, path, { recursive: true });
    const file = join(path, 'tokenizer.json');
    const json = JSON.parse(readFileSync(file, 'utf8')) as { model: { vocab: Record<string, number> } };
    const { vocab } = json.model;
    const last = Object.entries(vocab).filter(([, id]) => id >= 400 && id < 1000);
    const rename = (count: number): void => {
      // Texts of the last tokens in another order: those of the prompt stay.
      const ids = last.slice(0, count).map(([, id]) => id);
      last.slice(0, count).forEach(([text], i) => (vocab[text] = ids[(i + 1) % count]!));
      writeFileSync(file, JSON.stringify(json));
    };
    rename(400);
    await expect(chat({ variant: { other: path }, messages: user('a') })).rejects.toThrow(
      /^400 of 1024 tokens have another text in the variant, the first of them 400: .* Both must have the same vocabulary\./,
    );
    last.forEach(([text, id]) => (vocab[text] = id));
    rename(8);
    expect((await chat({ variant: { other: path }, tokens: 2 })).original.tokens).toHaveLength(2);
  });

  it('is refused with a variant of another vocabulary', async () => {
    const path = join(folder, 'other');
    const { llama } = checkpoints;
    const shapes = Object.entries(llama!.shapes).map(([name, shape]) => [
      name,
      shape.map((size) => (size === 1024 ? 1000 : size)),
    ]);
    await writeCheckpoint(path, {
      ...llama!,
      config: { ...llama!.config, vocab_size: 1000 },
      shapes: Object.fromEntries(shapes) as (typeof llama & object)['shapes'],
    });
    rmSync(join(path, 'tokenizer.json'));
    await expect(chat({ variant: { other: path } })).rejects.toThrow(
      'The variant has 1000 tokens, the model 1024; they must have the same vocabulary.',
    );
  });
});
