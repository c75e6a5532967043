import { describe, expect, it } from 'vitest';
import {
  curvatureWork,
  evidenceWork,
  gainsWork,
  secondsOf,
  tensorsPerPass,
} from '../../../src/evaluation/passWork';

const gigabyte = 1e9;

/** Llama 3.2 1B: 16 blocks of 7 matrices and a tied embedding, 2,048 tokens. */
const billion = {
  ...{ blocks: 16, windows: 4, stateBytes: 4 * 2048 * 2048 },
  tensors: [-1, ...Array.from({ length: 16 * 7 }, (_, i) => Math.floor(i / 7))],
};

describe('the work of a pass over a text', () => {
  it('is one pass for a model of 1 B parameters where a quarter of 16 GB is free for states', () => {
    const { passes, stateBytes } = gainsWork({ ...billion, room: 16 * gigabyte * 0.25 });
    expect(passes).toBe(1);
    expect(stateBytes).toBe((113 + 2) * 4 * 2048 * 2048); // 1.93 GB
  });

  it('is several where there is no room, each with the unchanged model and the rounded one', () => {
    const one = gainsWork({ ...billion, room: 4 * gigabyte });
    const two = gainsWork({ ...billion, room: gigabyte });
    expect(tensorsPerPass(billion.stateBytes, gigabyte)).toBe(57);
    expect(two.passes).toBe(2);
    expect(two.stateBytes).toBeLessThanOrEqual(gigabyte);
    expect(two.windows - one.windows).toBe(4 * 16 * 2);
    expect(two.loads - one.loads).toBe(16);
    expect(two.outputs - one.outputs).toBe(4);
  });

  it('never needs an array of more than 2³² − 1 numbers, whatever the room', () => {
    const huge = { ...billion, stateBytes: 4 * 2048 * 8192, tensors: Array<number>(562).fill(0) };
    const { passes, stateBytes } = gainsWork({ ...huge, room: 100 * gigabyte });
    expect(passes).toBe(3);
    expect(stateBytes / 4).toBeLessThan(2 ** 32);
  });

  it('counts for each changed tensor its own block and those after it', () => {
    const sizes = { blocks: 3, windows: 5, stateBytes: 1, room: 1000 };
    const { windows, loads, outputs } = gainsWork({ ...sizes, tensors: [-1, 0, 2, undefined] });
    expect({ windows, loads, outputs }).toEqual({
      windows: 5 * (3 + 3 + 1 + 3 * 2),
      loads: 2 + 3,
      outputs: 5 * (4 + 1),
    });
  });

  it('is one pass of the unchanged model and the rounded one where no tensor is changed', () => {
    const { passes, windows, loads, outputs } = gainsWork({ ...billion, tensors: [], room: gigabyte });
    expect({ passes, windows, loads, outputs }).toEqual({
      ...{ passes: 1, windows: 4 * 16 * 2, loads: 16, outputs: 4 },
    });
  });

  it('by the curvature does not grow with the tensors of blocks', () => {
    const work = curvatureWork({ ...billion, room: 4 * gigabyte });
    expect(curvatureWork({ ...billion, tensors: [-1, 0], room: 4 * gigabyte })).toEqual(work);
    // The embedding is measured: one changed model, the unchanged one and the rounded one.
    expect(work).toEqual({
      windows: 4 * 16 * (5 + 3),
      loads: 16 * 5,
      outputs: 4 * (2 + 2),
      stateBytes: (16 + 3) * 4 * 2048 * 2048,
    });
    expect(gainsWork({ ...billion, room: 4 * gigabyte }).windows / work.windows).toBeGreaterThan(7);
  });

  it('takes as long as its parts', () => {
    const each = { window: 2, load: 3, output: 5 };
    expect(secondsOf(evidenceWork(4, 10, false), each)).toBe(40 * 2 + 4 * 3);
    expect(secondsOf(evidenceWork(4, 10, true), each)).toBe(200 * 2 + 12 * 3 + 20 * 5);
  });
});
