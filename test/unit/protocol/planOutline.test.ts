import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import { outlineOf, plannedFormats } from '../../../src/protocol/planOutline';

const assigned = (sources: string[], format: string, bitsPerWeight: number) => ({
  ...{ tensor: `blk.${sources[0]}`, sources, format, bitsPerWeight, bytes: 1 },
});
const plan = {
  assignments: [
    assigned(['up.0', 'up.1'], 'Q4_K', 4.5),
    assigned(['q'], 'Q6_K', 6.5625),
    assigned(['k'], 'Q4_K', 4.5),
    assigned(['odd'], 'Q4_K', 5),
  ],
} as unknown as Plan;

describe('the outline of a plan', () => {
  it('names the format of each tensor of the model, merged ones alike, once for all that share it', () => {
    const tensors = ['k', 'norm', 'q', 'up.0', 'up.1', 'odd'];
    const outline = outlineOf(plan, 7, tensors);
    expect(outline).toEqual({
      revision: 7,
      formats: [
        { format: 'Q4_K', bits: 4.5 },
        { format: 'Q6_K', bits: 6.5625 },
        { format: 'Q4_K', bits: 5 },
      ],
      of: [0, -1, 1, 0, 0, 2],
    });
    const described = tensors.map((name) => ({ name }));
    expect([...plannedFormats(outline, described)].map(([name, { bits }]) => [name, bits])).toEqual([
      ['k', 4.5],
      ['q', 6.5625],
      ['up.0', 4.5],
      ['up.1', 4.5],
      ['odd', 5],
    ]);
    // While the files change, an outline may be of more tensors than the page has.
    expect([...plannedFormats(outline, described.slice(0, 1)).keys()]).toEqual(['k']);
  });

  it('says of which file it is where it was edited there', () => {
    const edited = { file: 'a.ampq.json', replaced: false, reason: 'it was edited by hand' };
    expect(outlineOf(plan, 1, [], edited).edited).toEqual(edited);
    expect(outlineOf(plan, 1, [])).not.toHaveProperty('edited');
  });
});
