import { describe, expect, it } from 'vitest';
import { formOf, settingsOf } from '../../../webview/views/refine/form';

const suggestions = { original: '/o', text: '/t.txt' };

describe('the form of a refinement', () => {
  it('has what suggests itself, and leaves the rest to the engine', () => {
    expect(settingsOf(formOf({ suggestions }))).toEqual({ original: '/o', text: '/t.txt' });
  });

  it('comes back as it was used', () => {
    const settings = {
      ...({ original: '/other', text: '/u.txt', parts: 'factors' } as const),
      ...{ steps: 50, batch: 2, tokens: 9000, context: 128 },
    };
    expect(settingsOf(formOf({ settings, suggestions }))).toEqual(settings);
  });

  it.each([
    [{ original: '' }, 'Choose the model that the file was made from.'],
    [{ text: '' }, 'Choose a text.'],
    [{ steps: '1.5' }, 'Steps: “1.5” is not a whole number of at least 1.'],
    [{ batch: '0' }, 'Windows of a step: “0” is not a whole number of at least 1.'],
    [{ tokens: 'all' }, 'Tokens: “all” is not a whole number of at least 1.'],
    [{ context: '-2' }, 'Tokens per window: “-2” is not a whole number of at least 1.'],
  ])('says what is wrong with %j', (part, message) => {
    expect(() => settingsOf({ ...formOf({ suggestions }), ...part })).toThrow(message);
  });
});
