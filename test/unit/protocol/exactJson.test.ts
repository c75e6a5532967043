import { describe, expect, it } from 'vitest';
import { decodeExact, encodeExact, parseExact, stringifyExact } from '../../../src/protocol/exactJson';

const roundTrip = (value: unknown): unknown => parseExact(stringifyExact(value));

describe('exact JSON', () => {
  it.each([
    [NaN],
    [Infinity],
    [-Infinity],
    [-0],
    [0],
    [undefined],
    [null],
    [5e-324],
    [1.7976931348623157e308],
    ['NaN'],
    [[1, NaN, undefined, -0, null, [Infinity]]],
    [{ figures: { sqnr: -Infinity, kurtosis: NaN }, names: ['a'] }],
    [{ $exact: 'NaN' }],
    [{ $exact: 'no mark', deeper: { $exact: { $exact: NaN } } }],
    [{ $exact: 'object', value: { $exact: 'object', value: -0 } }],
    [{ value: 7 }],
    [new Float32Array()],
    [{ errors: new Float32Array([0.1, NaN, -Infinity, -0, 1e-45, 3.4e38]), $exact: 'NaN' }],
  ])('returns %o unchanged', (value) => {
    const result = roundTrip(value);
    expect(result).toEqual(value);
    expect(Object.is(result, value) || typeof value === 'object').toBe(true); // 0 and −0 differ
  });

  it('brings a long list of float32 numbers back as it was', () => {
    const numbers = Float32Array.from({ length: 9_000 }, (_, i) => Math.sin(i));
    expect(roundTrip(numbers)).toEqual(numbers);
  });

  it('distinguishes zeros inside values', () => {
    const [negative, positive] = roundTrip([-0, 0]) as number[];
    expect([Object.is(negative, -0), Object.is(positive, 0)]).toEqual([true, true]);
  });

  it('keeps a key that would otherwise set the prototype', () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}, "figure": 1}') as Record<string, unknown>;
    const result = roundTrip({ ...value, ['__proto__']: undefined, figure: NaN, own: value }) as {
      own: Record<string, unknown>;
    };
    expect(Object.keys(result.own)).toEqual(['__proto__', 'figure']);
    expect((result as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('leaves out undefined properties, as JSON does, and fills the holes of an array', () => {
    expect(Object.keys(roundTrip({ a: undefined, b: 1 }) as object)).toEqual(['b']);
    const sparse: number[] = [1];
    sparse[2] = 3;
    expect(roundTrip(sparse)).toEqual([1, undefined, 3]);
  });

  it('does not copy what has no special values', () => {
    const model = { tensors: [{ name: 'a', shape: [2, 3] }], note: undefined };
    expect(encodeExact(model)).toBe(model);
    expect(decodeExact(model)).toBe(model);
  });

  it.each([[() => 1], [10n], [new Map()], [new Uint8Array(2)], [Symbol('x')]])('rejects %o', (value) => {
    expect(() => stringifyExact({ value })).toThrow(TypeError);
  });

  it('takes the part of a buffer that a list of float32 numbers is', () => {
    const numbers = new Float32Array([1, 2, 3, 4]).subarray(1, 3);
    expect(encodeExact({ numbers })).toEqual({ numbers: { $exact: 'float32', value: 'AAAAQAAAQEA=' } });
    expect(roundTrip({ numbers })).toEqual({ numbers: new Float32Array([2, 3]) });
  });

  it.each(['AAAAQ', 'AAAA', 'AA==', 'ÄAAAQAAAQEA='])('rejects %j as a list of float32 numbers', (value) => {
    const text = JSON.stringify({ $exact: 'float32', value });
    expect(() => parseExact(text)).toThrow(/^".*" is not a list of float32 numbers in base64\.$/s);
  });

  it.each([
    '{"$exact": "nan"}',
    '{"$exact": "float32", "value": 7}',
    '{"$exact": 3}',
    '{"$exact": "object"}',
    '{"$exact": "object", "value": null}',
    '{"$exact": "NaN2", "value": {}}',
    '{"$exact": "toString"}',
  ])('rejects the unknown mark %s', (text) => {
    expect(() => parseExact(text)).toThrow(/is not a mark of an exact value/);
  });
});
