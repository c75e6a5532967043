import { describe, expect, it } from 'vitest';
import { planChanges } from '../../../src/ampq/planChanges';
import type { PlanAssignment } from '../../../src/protocol/plan';

const item = (
  tensor: string,
  format: string,
  bytes: number,
  figures: Pick<PlanAssignment, 'relativeSquaredError' | 'gain'> = {},
): PlanAssignment => ({
  ...{ tensor, sources: [tensor], format, bitsPerWeight: bytes / 10, bytes },
  ...figures,
});
const known = (relativeSquaredError: number, gain = 2) => ({ relativeSquaredError, gain });

describe('what one plan has otherwise than another', () => {
  const before = {
    assignments: [
      item('a', 'Q6_K', 60, known(0.01)),
      item('b', 'Q4_K', 40, known(0.04)),
      item('c', 'Q4_K', 40, known(0.04)),
      item('gone', 'Q4_K', 40, known(0.04)),
      item('edited', 'Q4_K', 40, known(0.04)),
    ],
  };
  const after = {
    assignments: [
      item('new', 'Q8_0', 80, known(0.001)),
      item('edited', 'Q3_K', 30),
      item('c', 'Q4_K', 40, known(0.04)),
      item('b', 'Q5_K', 50, known(0.02)),
      item('a', 'Q4_K', 40, known(0.05)),
    ],
  };
  const changes = planChanges(before, after);

  it('is listed with bytes and divergence, the largest change first and unknown ones last', () => {
    expect(changes.measure).toBe('divergence');
    expect(changes.changed.map(({ tensor, bytes }) => [tensor, bytes])).toEqual([
      ['a', -20],
      ['b', 10],
      ['edited', -10],
    ]);
    const [a, b, edited] = changes.changed;
    expect(a!.expected).toBeCloseTo(0.08, 12);
    expect(b!.expected).toBeCloseTo(-0.04, 12);
    expect(b).toMatchObject({ before: { format: 'Q4_K', bytes: 40 }, after: { format: 'Q5_K', bytes: 50 } });
    expect(edited).not.toHaveProperty('expected');
  });

  it('names the tensors of one plan alone, and those that are the same', () => {
    expect(changes.onlyBefore).toEqual([
      { tensor: 'gone', before: { format: 'Q4_K', bitsPerWeight: 4, bytes: 40, expected: 0.08 } },
    ]);
    expect(changes.onlyAfter.map(({ tensor }) => tensor)).toEqual(['new']);
    expect(changes.same.map(({ tensor }) => tensor)).toEqual(['c']);
  });

  it('is about errors where no gains are known', () => {
    const plain = (error: number) => ({ relativeSquaredError: error });
    const { measure, changed } = planChanges(
      { assignments: [item('a', 'Q4_K', 40, plain(0.5))] },
      { assignments: [item('a', 'Q6_K', 60, plain(0.25))] },
    );
    expect(measure).toBe('error');
    expect(changed[0]!.expected).toBe(-0.25);
  });

  it('counts an exact tensor as one that adds nothing, with or without a gain', () => {
    const { changed } = planChanges(
      { assignments: [item('a', 'F16', 160, { relativeSquaredError: 0 })] },
      { assignments: [item('a', 'Q6_K', 60, known(0.25))] },
    );
    expect(changed[0]!.expected).toBe(0.5);
  });

  it('finds another size of the same format', () => {
    const [changed] = planChanges(
      { assignments: [item('a', 'Q4_K', 40)] },
      { assignments: [item('a', 'Q4_K', 44)] },
    ).changed;
    expect(changed).toMatchObject({ tensor: 'a', bytes: 4 });
  });
});
