import { expect, it } from 'vitest';
import { RefinementMeter } from '../../../src/engine/refinement/refinementMeter';
import type { EngineProgress } from '../../../src/protocol/engine';

it('names the step that is under way, and the one that was made', () => {
  const told: EngineProgress[] = [];
  const schedule = { steps: 2, batch: 1, every: 1 };
  const meter = new RefinementMeter(schedule, 1, undefined, 'cpu', (progress) => told.push(progress));
  const points = [0, 1, 2].map((step) => ({ step, divergence: 0.5 - 0.1 * step }));
  meter.passed();
  meter.measured({ step: 0, points: points.slice(0, 1) });
  for (const step of [1, 2]) {
    meter.part('block 1 of 1');
    meter.trained(step);
    meter.measured({ step, points: points.slice(0, step + 1) });
  }
  expect(told.map(({ message, done, total }) => [message, done, total])).toEqual([
    ['the original over the text, part 1 of 1', 0, 2],
    ['start: measured', 0, 2],
    ['step 1: block 1 of 1', 0, 2],
    ['step 1: trained', 1, 2],
    ['step 1: measured', 1, 2],
    ['step 2: block 1 of 1', 1, 2],
    ['step 2: trained', 2, 2],
    ['step 2: measured', 2, 2],
  ]);
  expect(told.at(-1)!.refinement).toEqual({ steps: 2, points });
  expect(told.map(({ secondsLeft }) => secondsLeft !== undefined)).toEqual([
    ...[false, false, false, true, true, true, true, true],
  ]);
});
