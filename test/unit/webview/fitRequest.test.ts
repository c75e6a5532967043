import { describe, expect, it } from 'vitest';
import { foundText, requestFrom } from '../../../webview/fitRequest';

describe('the memory that a plan is to fit in, as typed', () => {
  it.each([
    ['8 GB', '', { memory: 8e9, sequences: 1, cacheType: 'q8_0' }],
    ['7.5GiB', '32,768', { memory: 7.5 * 2 ** 30, sequences: 1, cacheType: 'q8_0', context: 32_768 }],
    ['8000000000B', ' 4096 ', { memory: 8e9, sequences: 1, cacheType: 'q8_0', context: 4096 }],
    ['8', '', undefined],
    ['4.5bpw', '', undefined],
    ['', '', undefined],
    ['8 GB', 'long', undefined],
    ['8 GB', '0', undefined],
    ['8 GB', '1.5', undefined],
  ])('"%s" with "%s" tokens', (memory, context, request) => {
    expect(requestFrom(memory, context, 'q8_0')).toEqual(request);
  });

  it('is answered with what it holds', () => {
    const use = { weights: 5_200_000_000, cache: 1_073_741_824, compute: 272_105_472 };
    expect(foundText({ bitsPerWeight: 5.1, context: 8192, use })).toBe(
      '1.07 GB of keys and values for 8,192 tokens, 272.11 MB of buffers, 5.20 GB of weights',
    );
  });
});
