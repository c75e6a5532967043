import { describe, expect, it } from 'vitest';
import {
  errorRung,
  planRung,
  predictionRung,
  rowRung,
  rungLabel,
  rungText,
  tableRung,
} from '../../../src/protocol/rungs';

const imatrix = { file: 'i.gguf', hash: 'h' };
const codes = {
  ...{ method: 'gptq-cd 2', text: 't.txt', hash: 'h', tokens: 512 },
  objective: 'two-sided' as const,
};
const gainsFrom = { text: '/t.txt', hash: 'h', tokens: 512, context: 256, noise: 0, loss: 3, chance: 7 };
const total = { bytes: 1, bitsPerWeight: 4 };

describe('the ladder of evidence', () => {
  it('tells errors by what they were measured with', () => {
    expect([{}, { imatrix }, { codes }, { imatrix, codes }].map(errorRung)).toEqual([
      ...['weights', 'importance', 'hessian', 'hessian'],
    ]);
  });

  it('names the highest rung of a table and of a plan', () => {
    expect([tableRung({ codes }), tableRung({ codes, gainsFrom })]).toEqual(['hessian', 'gains']);
    expect(planRung({ imatrix, total })).toBe('importance');
    expect(planRung({ imatrix, gains: gainsFrom, total: { ...total, divergence: 0.001 } })).toBe('gains');
    expect(planRung({ imatrix, total: { ...total, divergence: 0.001 } })).toBe('importance');
    expect(planRung({ total, certificate: {} as never })).toBe('joint');
  });

  it('tells what a plan predicts from what was measured of it', () => {
    const measured = {
      codes,
      gains: gainsFrom,
      total: { ...total, divergence: 0.001 },
      certificate: {} as never,
    };
    expect([planRung(measured), predictionRung(measured)]).toEqual(['joint', 'gains']);
    expect(predictionRung({ codes, total })).toBe('hessian');
    const other = { ...measured, gains: { ...gainsFrom, model: 'base' } };
    expect(predictionRung(other)).toBe('hessian');
  });

  it('counts an estimated gain, and that of another model, as none', () => {
    const table = { codes, gainsFrom };
    const rungs = [{ gain: 1 }, {}, { gain: 1, isEstimated: true as const }].map((row) =>
      rowRung(table, row),
    );
    expect(rungs).toEqual(['gains', 'hessian', 'hessian']);
    expect(rowRung({ gainsFrom: { ...gainsFrom, model: 'base' } }, { gain: 1 })).toBe('weights');
  });

  it('says which rung it is', () => {
    expect(rungLabel('joint')).toBe('measured jointly');
    expect(rungText('weights')).toBe('rung 0 of 4, weights: errors of the weights alone');
    expect(rungText('gains')).toMatch(/, over a text, without the rounding of activations$/);
    const gains = {
      ...{ text: 't.txt', hash: 'h', tokens: 1, context: 1, loss: 1, chance: 7 },
      by: 'curvature',
    } as const;
    expect(rungText('gains', { gains })).toMatch(/, over a text, by the curvature, without the rounding/);
    expect(rungText('weights', { gains })).not.toMatch(/curvature/);
    expect(rungText('gains', { roundsActivations: true })).toMatch(/, with the rounding of activations$/);
    const sample = { measured: 8, blocks: 32 };
    expect(rungText('gains', { gainsFrom: { sample } })).toMatch(
      /, over a text, interpolated from 8 of 32 blocks, without the rounding of activations$/,
    );
    expect(rungText('gains', { gains: { sample }, roundsActivations: true })).toMatch(
      / 8 of 32 blocks, with /,
    );
    expect(rungText('joint')).toMatch(/^rung 4 of 4, joint: measured with all tensors together/);
  });
});
