import { describe, expect, it } from 'vitest';
import type { RunEstimate } from '../../../src/protocol/runEstimate';
import {
  bytesTyped,
  checkedFits,
  contextsUpTo,
  freshFits,
  machineFits,
  targetFrom,
} from '../../../webview/model/fits';

const estimateOf = (bytes: number, memory?: RunEstimate['memory']): RunEstimate => ({
  settings: { context: 1024, sequences: 1, cacheType: 'f16' },
  notes: [],
  targets: [
    {
      target: { kind: 'stored' },
      label: 'as stored',
      weights: { bytes, bitsPerWeight: 16, readBytes: bytes },
    },
  ],
  ...(memory ? { memory } : {}),
});
const run = { cacheBytes: 1e9, computeBytes: 0.5e9, readBytes: 1e9 };

describe('devices', () => {
  it('hold a model with its keys, values and buffers, or say how much is missing', () => {
    const fits = machineFits(estimateOf(16e9, run));
    const of = (name: string) => fits.find(({ machine }) => machine.name.startsWith(name))!;
    expect(of('GeForce RTX 4090').left).toBeCloseTo(24 * 2 ** 30 - 17.5e9, -1);
    expect(of('GeForce RTX 4090').speed).toBeCloseTo(1008 / 17, 6);
    expect(of('GeForce RTX 3060').left).toBeLessThan(0);
    expect(of('GeForce RTX 3060').speed).toBeUndefined();
  });

  it('are in the order of their memory', () => {
    const memories = machineFits(estimateOf(1e9, run)).map(({ machine }) => machine.memory);
    expect(memories).toEqual([...memories].sort((a, b) => a - b));
  });

  it('are judged by the weights alone where keys and values are not known, which is said', () => {
    const [first] = machineFits(estimateOf(1e9));
    expect(first).toMatchObject({ isOfWeights: true, left: first!.machine.memory - 1e9 });
    expect(first!.speed).toBeGreaterThan(0);
    expect(machineFits(estimateOf(9e12))[0]!.left).toBeLessThan(0);
  });
});

describe('what is asked for', () => {
  it.each([
    ['type Q4_K_M', true, { kind: 'type', type: 'Q4_K_M' }],
    ['recipe bnb-nf4', true, { kind: 'recipe', recipe: 'bnb-nf4' }],
    ['plan', true, { kind: 'ownPlan' }],
    ['plan', false, { kind: 'stored' }],
    ['stored', true, { kind: 'stored' }],
    ['something else', true, { kind: 'stored' }],
  ])('is a target: %s', (choice, hasPlan, target) => expect(targetFrom(choice, hasPlan)).toEqual(target));

  it('offers contexts up to that of the model', () => {
    expect(contextsUpTo(4096)).toEqual([1024, 2048, 4096]);
    expect(contextsUpTo(5000)).toEqual([1024, 2048, 4096, 5000]);
    expect(contextsUpTo(256)).toEqual([256]);
    expect(contextsUpTo(undefined).at(-1)).toBe(131_072);
  });

  it.each([
    ['8 GB', 8e9],
    ['7.5GiB', 7.5 * 2 ** 30],
    ['400 GB/s', 4e11],
    ['', undefined],
    ['fast', null],
    ['0GB', null],
    ['4bpw', null],
  ])('reads “%s” as bytes', (text, bytes) => expect(bytesTyped(text)).toBe(bytes));

  it('forgets a type of the cache that there is no more', () => {
    expect(checkedFits({ ...freshFits, cacheType: 'q3' as never }).cacheType).toBe('f16');
    expect(checkedFits({ ...freshFits, cacheType: 'q8_0' }).cacheType).toBe('q8_0');
  });
});
