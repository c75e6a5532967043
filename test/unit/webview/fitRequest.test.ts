import { describe, expect, it } from 'vitest';
import { foundText, requestFrom } from '../../../webview/fitRequest';

const typed = { memory: '', gpuMemory: '', cpuMoe: false, context: '', cacheType: 'q8_0' } as const;

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
    expect(requestFrom({ ...typed, memory, context })).toEqual(request);
  });

  it('may be two: of a GPU, and RAM', () => {
    const both = { ...typed, memory: '16 GB', gpuMemory: '6 GB', cpuMoe: true };
    expect(requestFrom(both)).toEqual({
      ...{ memory: 16e9, sequences: 1, cacheType: 'q8_0', gpu: { memory: 6e9, cpuMoe: true } },
    });
    expect(requestFrom({ ...both, gpuMemory: 'large' })).toBeUndefined();
    expect(requestFrom({ ...both, memory: '' })).toBeUndefined();
  });

  it('is answered with what it holds, and with how to run it', () => {
    const memory = { weights: 5_200_000_000, cache: 1_073_741_824, compute: 272_105_472 };
    const fit = { memory: 8e9, context: 8192, sequences: 1, cacheType: 'f16' } as const;
    expect(foundText({ bitsPerWeight: 5.1, fit, use: { memory } })).toBe(
      '5.20 GB of weights, 1.07 GB of keys and values, 272.11 MB of buffers; for 8,192 tokens. Options of llama.cpp: -c 8192 -np 1 -fa on',
    );
    const gpu = { memory: 6e9, layers: 21, cpuMoe: true };
    expect(foundText({ bitsPerWeight: 5.1, fit: { ...fit, gpu }, use: { memory, gpu: memory } })).toMatch(
      /^In the GPU 5\.20 GB of weights, .*; in RAM 5\.20 GB .* -ngl 21 --cpu-moe --no-op-offload$/,
    );
  });
});
