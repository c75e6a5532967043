import { describe, expect, it } from 'vitest';
import { preTokenizerDefinition } from '../../../src/tokenizer/preTokenizerDefinition';
import { publishedPreTokenizers } from '../../../src/tokenizer/preTokenizerPatterns';
import { preTokenizerName } from '../../../src/tokenizer/preTokenizers';

describe('the definition of a pre-tokenizer', () => {
  it.each([...publishedPreTokenizers.keys(), 'dbrx'])('leads to its name again: %s', (name) => {
    const { definition, ignoreMerges } = preTokenizerDefinition(name)!;
    expect(preTokenizerName(definition, 'tokenizer.json', ignoreMerges)).toBe(name);
  });

  it('is that of GPT-2 in one step', () => {
    expect(preTokenizerDefinition('gpt-2')!.definition).toMatchObject({ type: 'ByteLevel', use_regex: true });
  });

  it('is not guessed for other names', () => {
    expect(preTokenizerDefinition('smaug-bpe')).toBeUndefined();
  });
});
