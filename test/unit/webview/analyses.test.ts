import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TensorAnalysis } from '../../../src/protocol/analysis';
import { Analyses } from '../../../webview/analyses';

const analysisOf = (tensor: string): TensorAnalysis => ({ tensor }) as TensorAnalysis;

/** A host that answers when the test says so. */
function setUp() {
  const asked: { tensor: string; signal: AbortSignal; answer: () => void }[] = [];
  const analyses = new Analyses(
    (tensor, { signal }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(Object.assign(new Error(), { code: 'CANCELLED' })));
        asked.push({ tensor, signal, answer: () => resolve(analysisOf(tensor)) });
      }),
  );
  const ends: Record<string, string> = {};
  const request = (tensor: string, revision = 1): void => {
    analyses
      .request(revision, tensor, () => undefined)
      .then(
        () => (ends[tensor] = 'done'),
        (error: { code: string }) => (ends[tensor] = error.code),
      );
  };
  return { asked, analyses, ends, request };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe('looking at tensors', () => {
  it('14 presses of an arrow read the first and the last tensor, and the first is cancelled', async () => {
    const { asked, ends, request } = setUp();
    for (let press = 0; press < 14; press++) {
      request(`t${press}`);
      await pass(30);
    }
    await pass(1000);
    expect(asked.map(({ tensor, signal }) => [tensor, signal.aborted])).toEqual([
      ['t0', true],
      ['t13', false],
    ]);
    asked[1]!.answer();
    await pass(0);
    expect([ends['t0'], ends['t7'], ends['t13']]).toEqual(['CANCELLED', 'CANCELLED', 'done']);
  });

  it('reads again only what is not kept, and nothing of other files', async () => {
    const { asked, analyses, request } = setUp();
    request('a');
    asked[0]!.answer();
    await pass(1000);
    request('a');
    await pass(1000);
    expect(asked).toHaveLength(1);
    expect(analyses.find(1, 'a')).toEqual(analysisOf('a'));
    expect(analyses.find(2, 'a')).toBeUndefined(); // the file has changed
    request('a', 2);
    expect(asked).toHaveLength(2);
  });

  it('keeps the 48 that were used last', async () => {
    const { asked, analyses, request } = setUp();
    for (let i = 0; i < 49; i++) {
      request(`t${i}`);
      asked.at(-1)!.answer();
      await pass(1000);
      analyses.find(1, 't0');
    }
    expect([0, 1, 2].map((i) => analyses.find(1, `t${i}`) !== undefined)).toEqual([true, false, true]);
  });

  it('stops when no view needs it any more', async () => {
    const { asked, analyses, ends, request } = setUp();
    request('a');
    analyses.cancel();
    await pass(0);
    expect([asked[0]!.signal.aborted, ends['a']]).toEqual([true, 'CANCELLED']);
  });
});
