import { describe, expect, it } from 'vitest';
import type { MethodCell, MethodRow } from '../../../src/protocol/methods';
import { askRow, knownRows, type Wanted } from '../../../webview/methodRows';

const wanted = (tensor: string): Wanted => ({
  ...{ tensor, grids: ['int4-g32'], methods: ['rtn', 'gptq'], options: {}, basis: '1' },
});

const rowOf = (tensor: string, cells: readonly MethodCell[]): MethodRow => ({
  ...{ tensor, grid: { name: 'int4-g32', label: 'int4' }, sourceBytes: 1, cells },
  histogram: { min: 0, max: 1, counts: [] },
});

const refused = (method: string): MethodCell => ({ method, refused: 'no' });
const { signal } = new AbortController();

/** A host that answers with what a function gives, and the methods that it was asked for. */
function hostOf(answer: (methods: readonly string[]) => MethodRow) {
  const asked: (readonly string[])[] = [];
  const call = (_name: string, { methods }: { methods: readonly string[] }): Promise<MethodRow> =>
    new Promise((resolve) => {
      asked.push(methods);
      resolve(answer(methods));
    });
  return { asked, host: { call } as unknown as Parameters<typeof askRow>[0] };
}

describe('rows of grids by methods', () => {
  it('keep what is known, and ask for the rest', async () => {
    const of = wanted('a');
    const { asked, host } = hostOf((methods) => rowOf('a', methods.map(refused)));
    await askRow(host, { ...of, methods: ['rtn'] }, 'int4-g32', signal);
    await askRow(host, of, 'int4-g32', signal);
    await askRow(host, of, 'int4-g32', signal);
    await askRow(host, { ...of, options: { gptq: { damping: 0.1 } } }, 'int4-g32', signal);
    expect(asked).toEqual([['rtn'], ['gptq'], ['gptq']]);
    expect(knownRows(of)).toEqual([{ name: 'int4-g32', row: rowOf('a', [refused('rtn'), refused('gptq')]) }]);
  });

  it('show a failure until they are asked for again', async () => {
    const of = wanted('b');
    const dead = hostOf(() => {
      throw new Error('The engine process ended.');
    });
    await askRow(dead.host, of, 'int4-g32', signal);
    expect(knownRows(of)).toEqual([{ name: 'int4-g32', failure: 'The engine process ended.' }]);
    const { host } = hostOf((methods) => rowOf('b', methods.map(refused)));
    await askRow(host, of, 'int4-g32', signal);
    expect(knownRows(of)).toEqual([{ name: 'int4-g32', row: rowOf('b', [refused('rtn'), refused('gptq')]) }]);
  });

  it('do not show that they were cancelled', async () => {
    const controller = new AbortController();
    const { host } = hostOf(() => {
      controller.abort();
      throw new Error('cancelled');
    });
    await askRow(host, wanted('c'), 'int4-g32', controller.signal);
    expect(knownRows(wanted('c'))).toEqual([{ name: 'int4-g32' }]);
  });
});
