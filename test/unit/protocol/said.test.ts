import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { config } from '@vscode/l10n';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuantscopeError, serializeError } from '../../../src/model/errors';
import { inLanguage, messageInLanguage, rememberSpoken, said, spokenIn } from '../../../src/protocol/said';
import { plural } from '../../../src/protocol/words';
import { projectRoot } from '../../support/files';

describe('sentences of the engine', () => {
  it('are English texts like any others', () => {
    expect(said`${'a.gguf'} has ${3} bytes.`).toBe('a.gguf has 3 bytes.');
    expect(inLanguage(said`${'a.gguf'} has ${3} bytes.`)).toBe('a.gguf has 3 bytes.');
  });

  it('are found in a message at any depth, with those in their values, and nothing else is', () => {
    const inner = said`layer ${7}`;
    const outer = said`${inner} is gone`;
    const message = { notes: [{ text: outer }, 'plain'], bytes: new Float32Array(2), other: undefined };
    expect(spokenIn(message)).toEqual([
      [outer, { pattern: '{0} is gone', values: [inner] }],
      [inner, { pattern: 'layer {0}', values: ['7'] }],
    ]);
    expect(spokenIn({ text: 'never said' })).toEqual([]);
    expect(inLanguage(said`${outer}${''}`)).toBe(outer);
  });
});

describe('sentences of the engine in Chinese', () => {
  beforeAll(() =>
    config({ contents: readFileSync(join(projectRoot, 'l10n', 'bundle.l10n.zh-cn.json'), 'utf8') }),
  );
  afterAll(() => config({ contents: {} }));

  it('keep files, tensors and offsets as they are, and the English message', () => {
    const error = new QuantscopeError('CANCELLED', said`The request was cancelled.`, {
      file: '/models/{0}.gguf',
      tensor: 'blk.0.attn_q.weight',
      offset: 12,
    });
    const english = 'The request was cancelled. (/models/{0}.gguf, tensor "blk.0.attn_q.weight", byte 12)';
    expect(error.message).toBe(english);
    expect(serializeError(error).message).toBe(english);
    expect(inLanguage(error.message)).toBe(
      '请求已取消。（/models/{0}.gguf，张量“blk.0.attn_q.weight”，字节 12）',
    );
  });

  it('come from another process, which remembers them, and have counts in the display language', () => {
    rememberSpoken([
      ['A (5 tensors)', { pattern: '{0} ({1})', values: ['A', '5 tensors'] }],
      ['5 tensors', { pattern: '{0} tensors', values: ['5'] }],
    ]);
    expect(inLanguage('A (5 tensors)')).toBe('A（5 个张量）');
    expect(plural(5, 'tensor')).toBe('5 个张量');
  });

  it('are translated in a message, whose other parts stay the same objects', () => {
    const sentence = said`The request was cancelled.`;
    const message = { problem: sentence, list: [sentence, 'The request'], table: { rows: [1, 2] } };
    const translated = messageInLanguage(message) as typeof message;
    expect(translated).toEqual({
      problem: '请求已取消。',
      list: ['请求已取消。', 'The request'],
      table: { rows: [1, 2] },
    });
    expect(translated.table).toBe(message.table);
    expect(message.problem).toBe('The request was cancelled.');
  });

  it('are English again once many others were said: memory is bounded', () => {
    const cancelled = said`The request was cancelled.`;
    const sentence = said`${cancelled} (byte ${3})`;
    expect(inLanguage(sentence)).toBe('请求已取消。（字节 3）');
    const others = Array.from({ length: 5_000 }, (_, i) => said`sentence ${i}`);
    expect(others).toHaveLength(5_000);
    expect(inLanguage(sentence)).toBe(sentence);
    expect(inLanguage(cancelled)).toBe('请求已取消。');
  });
});
