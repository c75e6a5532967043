import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileStates, MemoryStates, type States } from '../../../../src/graph/transformer/states';
import { temporaryFolder } from '../../../support/files';

const [tokens, hiddenSize] = [7, 3];
const folder = temporaryFolder();
const values = (first: number, count: number): Float32Array =>
  Float32Array.from({ length: count * hiddenSize }, (_, i) => first * hiddenSize + i + 0.5);

const kinds: readonly [string, () => States][] = [
  ['memory', () => new MemoryStates(new Float32Array(tokens * hiddenSize), hiddenSize)],
  ['a file', () => new FileStates(folder, tokens, hiddenSize)],
];

describe.each(kinds)('hidden states in %s', (_, make) => {
  it('are read as they were written, in any pieces', () => {
    const states = make();
    states.write(3, values(3, 4));
    states.write(0, values(0, 3));
    expect(states.tokens).toBe(tokens);
    expect(states.read(0, tokens)).toEqual(values(0, tokens));
    expect(states.read(2, 2)).toEqual(values(2, 2));
    states.close();
  });

  it('are gathered by token, and what experts add is scattered back with its share', () => {
    const states = make();
    states.write(0, values(0, tokens));
    expect(states.gather([5, 0])).toEqual(Float32Array.of(...values(5, 1), ...values(0, 1)));
    states.scatter(Float32Array.of(2, 4, 6, 1, 1, 1), { rows: [5, 0], shares: [0.5, 2] });
    expect(states.read(5, 1)).toEqual(values(5, 1).map((value, i) => value + i + 1));
    expect(states.read(0, 1)).toEqual(values(0, 1).map((value) => value + 2));
    expect(states.read(1, 4)).toEqual(values(1, 4));
    states.close();
  });

  it('have room for as many others beside them', () => {
    const [states] = [make()];
    const other = states.another();
    other.write(0, values(1, tokens));
    states.write(0, values(0, tokens));
    expect(other.read(0, tokens)).toEqual(values(1, tokens));
    other.close();
    states.close();
  });
});

describe.each(kinds)('narrower states in the same %s', (_, make) => {
  it('take the place of the wider ones, which are read before', () => {
    const states = make();
    states.write(0, values(0, tokens));
    const narrow = states.narrowed(2);
    for (let token = 0; token < tokens; token++) narrow.write(token, states.read(token, 1).slice(1));
    expect([narrow.tokens, narrow.width]).toEqual([tokens, 2]);
    const last = Array.from({ length: tokens }, (_, token) => [...values(token, 1).slice(1)]).flat();
    expect(narrow.read(0, tokens)).toEqual(Float32Array.from(last));
    expect([...narrow.gather([6])]).toEqual(last.slice(12));
    expect(narrow.another()).toMatchObject({ tokens, width: 2 });
    narrow.close();
  });

  it('are the same ones where the width is', () => {
    const states = make();
    expect(states.narrowed(hiddenSize)).toBe(states);
    expect(states.another(5)).toMatchObject({ tokens, width: 5 });
    states.close();
  });
});

describe('the file of hidden states', () => {
  it('leaves nothing in its folder', () => {
    const states = new FileStates(folder, tokens, hiddenSize);
    states.write(0, values(0, tokens));
    states.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that cannot be created is an error that names the folder', () => {
    const missing = join(folder, 'missing');
    expect(() => new FileStates(missing, tokens, hiddenSize)).toThrow(
      expect.objectContaining({
        code: 'IO',
        message: expect.stringContaining('cannot be created') as string,
        place: { file: expect.stringContaining(missing) as string },
      }) as Error,
    );
  });

  it('that ends early is an error', () => {
    const states = new FileStates(folder, tokens, hiddenSize);
    expect(() => states.read(0, 1)).toThrow('cannot be read: it is too short');
    states.close();
  });
});
