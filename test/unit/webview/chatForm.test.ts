import { describe, expect, it } from 'vitest';
import { placeOf, quoted, visibleText } from '../../../webview/views/evaluate/chat/divergenceScale';
import { chatSettings, freshForm, turnsBefore } from '../../../webview/views/evaluate/chat/form';

const form = { ...freshForm(''), variant: 'type Q4_0' };
const user = { role: 'user', content: 'Hello' } as const;

describe('the form of a conversation', () => {
  it('leaves out what is not set', () => {
    expect(chatSettings(form, [user])).toEqual({ variant: { type: 'Q4_0' }, messages: [user] });
  });

  it('has numbers, a system message and texts that end an answer', () => {
    const set = {
      temperature: '0.7',
      topP: '0.9',
      seed: '5',
      tokens: '20',
      system: 'Be kind.',
      stop: 'User:',
    };
    expect(chatSettings({ ...form, ...set }, [user])).toEqual({
      ...{ variant: { type: 'Q4_0' }, temperature: 0.7, topP: 0.9, seed: 5, tokens: 20, stop: ['User:'] },
      messages: [{ role: 'system', content: 'Be kind.' }, user],
    });
  });

  it('suggests the file that the model was made of or into, where there is one', () => {
    expect(chatSettings(freshForm('/m.gguf'), [user]).variant).toEqual({ other: '/m.gguf' });
    expect(chatSettings(freshForm(''), [user]).variant).toEqual({ type: 'Q4_K_M' });
  });

  it.each([
    [{ temperature: 'hot' }, 'Temperature: “hot” is not a number from 0 to 100.'],
    [{ temperature: '-1' }, 'Temperature: “-1” is not a number from 0 to 100.'],
    [{ topP: '0' }, 'Top-p: “0” is not a number above 0, at most 1.'],
    [{ seed: '1.5' }, 'Seed: “1.5” is not a whole number.'],
    [{ tokens: '0' }, 'Most tokens: “0” is not a whole number of at least 1.'],
    [{ variant: 'other file' }, 'Choose the file of the variant.'],
    [{ variant: 'plan file' }, 'Choose a plan file.'],
  ])('says what is wrong: %o', (part, message) => {
    expect(() => chatSettings({ ...form, ...part }, [user])).toThrow(message);
  });
});

describe('a conversation that goes on', () => {
  const answers = { original: { text: 'Good day.' }, variant: { text: 'Hi.' } };
  const system = { role: 'system', content: 'Be kind.' } as const;

  it('has the answer that was chosen', () => {
    expect(turnsBefore([system, user], answers, 'variant')).toEqual([
      user,
      { role: 'assistant', content: 'Hi.' },
    ]);
  });

  it('asks again where there was no answer', () => {
    expect(turnsBefore([system, user], undefined, 'original')).toEqual([]);
  });
});

describe('tokens on the page', () => {
  it('show ends of lines', () => {
    expect(visibleText('a\nb\t')).toBe('a⏎\nb⇥');
    expect(quoted('\n')).toBe('“⏎”');
    expect(visibleText('')).toBe('∅');
  });

  it('have a place in a logarithmic scale of divergences', () => {
    expect([0, 1e-5, 1e-4, 1e-2, 1, 7].map(placeOf)).toEqual([0, 0, 0, expect.closeTo(0.5, 9), 1, 1]);
  });
});
