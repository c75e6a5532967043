import { describe, expect, it } from 'vitest';
import { planWindows, spreadIndices, windowAt } from '../../../src/evaluation/windows';

const withoutBos = { addsBos: false };
const count = (tokens: number) => Int32Array.from({ length: tokens }, (_, i) => 100 + i);

describe('windows of llama.cpp’s convention', () => {
  it('are adjacent and score the second half, each position predicting the next token of the window', () => {
    const plan = planWindows(21, { context: 8 }, withoutBos, 64);
    expect(plan).toEqual({
      ...{
        convention: 'llama.cpp',
        context: 8,
        stride: 8,
        windows: 2,
        fitting: 2,
        scoredTokens: 6,
        usedTokens: 16,
      },
    });
    expect(windowAt(plan, count(21), 1)).toEqual({
      start: 8,
      inputs: Int32Array.of(108, 109, 110, 111, 112, 113, 114, 115),
      targets: Int32Array.of(-1, -1, -1, -1, 113, 114, 115, -1),
    });
  });

  it('begin with BOS instead of their first token if the model adds it', () => {
    const plan = planWindows(16, { context: 8 }, { bos: 1, addsBos: true }, 64);
    const { inputs, targets } = windowAt(plan, count(16), 1);
    expect([...inputs]).toEqual([1, 109, 110, 111, 112, 113, 114, 115]);
    expect([...targets]).toEqual([-1, -1, -1, -1, 113, 114, 115, -1]);
    expect(planWindows(16, { context: 8 }, { bos: 1, addsBos: false }, 64)).not.toHaveProperty('bos');
  });

  it('round half of an odd context down', () => {
    const plan = planWindows(7, { context: 7 }, withoutBos, 64);
    expect([...windowAt(plan, count(7), 0).targets]).toEqual([-1, -1, -1, 104, 105, 106, -1]);
    expect(plan.scoredTokens).toBe(3);
  });

  it('score 127 of the 256 tokens of each of the 192 windows that the reference figure is of', () => {
    const plan = planWindows(49_423, { context: 256, windows: 192 }, withoutBos, 256);
    expect(plan).toMatchObject({ windows: 192, scoredTokens: 192 * 127, usedTokens: 49_152 });
  });
});

describe('sliding windows', () => {
  const tokens = 49_423;

  it('of their own length predict each token once: 256j+1 … 256j+256 from 256j … 256j+255', () => {
    const settings = { convention: 'sliding', context: 256, windows: 192 } as const;
    const plan = planWindows(tokens, settings, { bos: 1, addsBos: true }, 256);
    expect(plan).toEqual({
      ...{ convention: 'sliding', context: 256, stride: 256, windows: 192, fitting: 193 },
      ...{ scoredTokens: 49_152, usedTokens: 49_153 },
    });
    const { start, inputs, targets } = windowAt(plan, count(tokens), 191);
    expect(start).toBe(191 * 256);
    expect([inputs[0], inputs[255]]).toEqual([100 + 191 * 256, 100 + 191 * 256 + 255]);
    expect([targets[0], targets[255]]).toEqual([100 + 191 * 256 + 1, 100 + 192 * 256]);
  });

  it.each([1, 3, 4, 5])('score every token once with a stride of %i', (stride) => {
    const plan = planWindows(24, { convention: 'sliding', context: 5, stride }, withoutBos, 64);
    const scored = Array.from({ length: plan.windows }, (_, k) => windowAt(plan, count(24), k)).flatMap(
      ({ start, inputs, targets }) =>
        [...targets].flatMap((target, i) => {
          if (target < 0) return [];
          expect(inputs[i]).toBe(100 + start + i);
          expect(target).toBe(100 + start + i + 1);
          return [target - 100];
        }),
    );
    expect(scored).toEqual(Array.from({ length: plan.scoredTokens }, (_, i) => i + 1));
    expect(plan.usedTokens).toBe(plan.scoredTokens + 1);
    expect(24 - plan.usedTokens).toBeLessThan(stride);
  });

  it('fill a text of exactly one window and the token after it', () => {
    const settings = { convention: 'sliding', context: 8 } as const;
    expect(planWindows(9, settings, withoutBos, 64).windows).toBe(1);
    expect(() => planWindows(8, settings, withoutBos, 64)).toThrow('has 8 tokens; one window of 8 needs 9');
  });
});

describe('settings of windows', () => {
  it('are 512 tokens, or the model’s context if shorter', () => {
    expect(planWindows(5000, {}, withoutBos, 2048).context).toBe(512);
    expect(planWindows(5000, {}, withoutBos, 256)).toMatchObject({ context: 256, convention: 'llama.cpp' });
  });

  it.each([
    [{ context: 512 }, 'The context is 512 tokens; the model takes at most 256. (a.txt)'],
    [{ context: 2 }, 'The context is 2 tokens; it must be 3 or more. (a.txt)'],
    [{ context: 10.5 }, 'The context is 10.5 tokens; it must be 3 or more. (a.txt)'],
    [{ context: 200 }, 'The text has 100 tokens; one window of 200 needs 200. (a.txt)'],
    [{ context: 8, stride: 4 }, 'The stride is 4; windows of llama.cpp’s convention do not overlap. (a.txt)'],
    [{ context: 8, windows: 0 }, 'The number of windows is 0; it must be 1 or more. (a.txt)'],
    [
      { convention: 'sliding', context: 8, stride: 9 },
      'The stride is 9; it must be from 1 to the context, 8. (a.txt)',
    ],
    [
      { convention: 'sliding', context: 8, stride: 0 },
      'The stride is 0; it must be from 1 to the context, 8. (a.txt)',
    ],
    [{ convention: 'sliding', context: 0 }, 'The context is 0 tokens; it must be 1 or more. (a.txt)'],
  ] as const)('rejects %j', (settings, message) => {
    const plan = (): unknown => planWindows(100, settings, withoutBos, 256, 'a.txt');
    expect(plan).toThrow(expect.objectContaining({ code: 'REQUEST', message }));
  });
});

describe('windows that are spread over a text', () => {
  it.each([
    [4, 41, [1, 3, 6, 8]],
    [3, 41, [1, 5, 8]],
    [10, 41, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [99, 41, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [1, 9, [1]],
  ])('%d of a text of %d tokens', (windows, tokens, expected) => {
    const plan = planWindows(tokens, { convention: 'sliding', context: 4, windows }, withoutBos, 64);
    expect(spreadIndices(plan)).toEqual(expected);
  });
});
