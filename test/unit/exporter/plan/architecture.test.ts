import { describe, expect, it } from 'vitest';
import { valuesOfPairs } from '../../../../src/architectures/ggufView';
import { architectureOf } from '../../../../src/exporter/plan/architecture';
import type { KeyValue } from '../../../../src/model/keyValue';

const u32 = (key: string, value: number): KeyValue => ({ key: `deci.${key}`, type: 'u32', value });
const array = (key: string, ...values: number[]): KeyValue => ({
  ...{ key: `deci.${key}`, type: 'array', elementType: 'u32', values },
});

const numbersOf = (architecture: string, pairs: readonly KeyValue[]) =>
  architectureOf({ architecture, value: valuesOfPairs(pairs) });

describe('numbers of an architecture', () => {
  it('are those of the first block where blocks differ', () => {
    const pairs = [
      u32('block_count', 2),
      array('attention.head_count', 8, 4),
      array('attention.head_count_kv', 0, 2),
    ];
    expect(numbersOf('deci', [...pairs, u32('expert_count', 16)])).toEqual({
      ...{ name: 'deci', blocks: 2, heads: 8, kvHeads: 0, experts: 16 },
    });
  });

  it('has as many key-value heads as heads where nothing is said of them', () => {
    const numbers = numbersOf('deci', [u32('attention.head_count', 8)]);
    expect(numbers).toEqual({ name: 'deci', blocks: 0, heads: 8, kvHeads: 8, experts: 0 });
    expect(numbersOf('mamba', [u32('block_count', 2)])).toMatchObject({ heads: 0, kvHeads: 0 });
  });
});
