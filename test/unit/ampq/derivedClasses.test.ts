import { expect, it } from 'vitest';
import { classesFrom } from '../../../src/ampq/derivedClasses';
import { prepareClasses, type Choice } from '../../../src/ampq/knapsackClasses';
import { Random } from '../../support/random';

const random = new Random(11);
const below = (limit: number): number => Math.floor(limit * random.next());
const some = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

/** Small whole numbers, so that many upgrades save the same per byte. */
const choices = (): Choice[] => some(1 + below(5), () => ({ bytes: 1 + below(6), cost: below(8) }));

it('are those that a preparation of all classes gives, for any part of the base and any classes between', () => {
  for (let i = 0; i < 4000; i++) {
    const base = some(below(8), choices);
    const parts: (number | Choice[])[] = base.flatMap((_, item) => {
      const own = some(below(2), choices);
      return below(3) === 0 ? own : below(2) === 0 ? [item, ...own] : [...own, item];
    });
    const all = parts.map((part) => (typeof part === 'number' ? base[part]! : part));
    expect(classesFrom(prepareClasses(base), parts)).toEqual(prepareClasses(all));
  }
});
