import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StepMeter } from '../../../src/engine/evaluation/progress';
import type { EngineProgress } from '../../../src/protocol/engine';

describe('the progress of a run', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('estimates the time left from the steps after the first one, which includes the start of the runtime', () => {
    const told: EngineProgress[] = [];
    const meter = new StepMeter(5, 1, 'ort-cpu', (progress) => told.push(progress));
    for (const milliseconds of [20_000, 1000, 3000]) {
      vi.advanceTimersByTime(milliseconds);
      meter.step('block');
    }
    expect(told.map(({ done, secondsLeft }) => [done, secondsLeft])).toEqual([
      [1, undefined],
      [2, 3],
      [3, 4],
    ]);
  });
});
