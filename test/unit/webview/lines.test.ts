import { describe, expect, it } from 'vitest';
import { lineKey } from '../../../webview/lineKeys';
import { linesOf, openAtFirst, type Line } from '../../../webview/lines';

interface Node {
  readonly id: string;
  readonly children?: readonly Node[];
}

const nodes: readonly Node[] = [
  { id: 'first' },
  { id: 'group', children: [{ id: 'inner', children: [{ id: 'deep' }] }, { id: 'second' }] },
];

const drawn = (lines: readonly Line<Node>[]): string[] =>
  lines.map(({ node, depth, open }) => `${depth} ${node.id}${open === undefined ? '' : open ? ' -' : ' +'}`);

describe('lines of a tree', () => {
  it('leave out what is in closed groups', () => {
    expect(drawn(linesOf(nodes, new Set()))).toEqual(['0 first', '0 group +']);
    expect(drawn(linesOf(nodes, new Set(['group'])))).toEqual([
      ...['0 first', '0 group -', '1 inner +', '1 second'],
    ]);
    expect(drawn(linesOf(nodes, 'all'))).toContain('2 deep');
  });

  it('are ordered within their group', () =>
    expect(
      drawn(linesOf(nodes, 'all', (siblings) => siblings.toSorted((a, b) => b.id.localeCompare(a.id)))),
    ).toEqual([...['0 group -', '1 second', '1 inner -', '2 deep', '0 first']]));

  it('are all open in a small model, and none in a large one', () => {
    expect([...openAtFirst(nodes, 120)]).toEqual(['group', 'inner']);
    expect(openAtFirst(nodes, 121).size).toBe(0);
  });
});

describe('keys of a list', () => {
  const lines = linesOf(nodes, new Set(['group']));

  /** What a key does at a line. */
  function pressed(key: string, active: number, isTree = true): unknown[] {
    const done: unknown[] = [];
    const list = {
      ...{ lines, active, page: 2, depthOf: ({ depth }: Line<Node>) => depth },
      ...(isTree ? { openOf: ({ open }: Line<Node>) => open } : {}),
    };
    const isHandled = lineKey({ key, shiftKey: false }, list, {
      moveTo: (index) => done.push(index),
      toggle: ({ node }) => done.push(`toggle ${node.id}`),
      enter: ({ node }) => done.push(`enter ${node.id}`),
    });
    return isHandled ? done : ['not handled'];
  }

  it.each([
    ['ArrowDown', 0, 1],
    ['ArrowDown', 3, 3],
    ['ArrowUp', 0, 0],
    ['PageDown', 0, 2],
    ['PageUp', 3, 1],
    ['Home', 2, 0],
    ['End', 0, 3],
    ['Enter', 1, 'enter group'],
    ['ArrowLeft', 1, 'toggle group'],
    ['ArrowRight', 1, 2],
    ['ArrowRight', 2, 'toggle inner'],
    ['ArrowLeft', 3, 1],
    ['ArrowLeft', 0, 0],
    ['a', 0, 'not handled'],
    ['Enter', -1, 'not handled'],
    ['ArrowDown', -1, 0],
  ])('%s at line %i gives %s', (key, active, done) => expect(pressed(key, active)).toEqual([done]));

  it('that open and close groups have no effect without groups', () =>
    expect(['ArrowLeft', 'ArrowRight'].flatMap((key) => pressed(key, 1, false))).toEqual([
      ...['not handled', 'not handled'],
    ]));
});
