import { describe, expect, it } from 'vitest';
import { prepareClasses, type Choice } from '../../../src/ampq/knapsackClasses';

const choices = (...pairs: readonly (readonly [bytes: number, cost: number])[]): Choice[] =>
  pairs.map(([bytes, cost]) => ({ bytes, cost }));

describe('prepareClasses', () => {
  it('numbers the choices that no other beats by bytes, whatever their order', () => {
    const { count, start, bytes, cost, index } = prepareClasses([
      choices([8, 1], [2, 9], [4, 9], [4, 3], [4, 5], [6, 3], [9, 2]),
      choices([5, 7]),
      choices([3, 4], [1, 4], [1, 4]),
    ]);
    expect(count).toBe(3);
    expect(start).toEqual(Int32Array.of(0, 3, 4, 5));
    expect(bytes).toEqual(Float64Array.of(2, 4, 8, 5, 1));
    expect(cost).toEqual(Float64Array.of(9, 3, 1, 7, 4));
    expect(index).toEqual(Int32Array.of(1, 3, 0, 0, 1));
  });

  it('lists upgrades along the convex hulls, those that save the most per byte first', () => {
    const { upgrades } = prepareClasses([
      // 4 bytes lie above the line from 2 to 6, and 8 on that from 6 to 10.
      choices([2, 30], [4, 29], [6, 10], [8, 8], [10, 6]),
      choices([1, 5], [2, 1], [4, 0]),
      choices([7, 7]),
    ]);
    expect(upgrades).toEqual({
      count: 4,
      item: Int32Array.of(0, 1, 0, 1),
      option: Int32Array.of(2, 6, 4, 7),
      bytes: Float64Array.of(4, 1, 4, 2),
      gain: Float64Array.of(5, 4, 1, 0.5),
    });
  });

  it('drops several choices from a hull for one that lies below them all', () => {
    const { upgrades } = prepareClasses([choices([0, 100], [1, 80], [2, 65], [3, 55], [4, 0])]);
    expect([upgrades.option, upgrades.bytes, upgrades.gain]).toEqual([
      Int32Array.of(4),
      Float64Array.of(4),
      Float64Array.of(25),
    ]);
  });
});
