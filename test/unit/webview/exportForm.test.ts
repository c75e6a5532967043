import { describe, expect, it } from 'vitest';
import { emptyForm, isEmpty, mayOptimise, settingsOf, targets } from '../../../webview/views/export/form';

const optimised = { codes: 'optimised', calibrationText: '/t.txt' } as const;

describe('codes in the form of an export', () => {
  it('are those of llama.cpp, or of the plan, unless others are chosen', () => {
    expect(settingsOf(emptyForm)).toEqual({ type: 'Q4_K_M' });
    expect(settingsOf({ ...emptyForm, type: targets.currentPlan })).toEqual({ usePlan: true });
    expect(settingsOf({ ...emptyForm, type: targets.currentPlan, codes: 'reference' })).toEqual({
      ...{ usePlan: true, codes: 'reference' },
    });
  });

  it('are optimised over a text, or over that of the latest pass', () => {
    const form = { ...emptyForm, ...optimised, calibrationTokens: '4096', calibrationContext: '256' };
    expect(settingsOf(form)).toEqual({
      ...{ type: 'Q4_K_M', codes: 'optimised' },
      calibration: { text: '/t.txt', tokens: 4096, context: 256 },
    });
    expect(settingsOf({ ...form, calibrationText: '' })).toEqual({ type: 'Q4_K_M', codes: 'optimised' });
    expect(() => settingsOf({ ...form, calibrationTokens: 'x' })).toThrow(
      'Calibration tokens: “x” is not a whole number of at least 1.',
    );
  });

  it('minimise something only where they may be optimised', () => {
    const oneSided = { ...emptyForm, objective: 'one-sided' } as const;
    const objectiveOf = (form: typeof emptyForm) => settingsOf(form).objective;
    expect(objectiveOf(oneSided)).toBeUndefined();
    expect(objectiveOf({ ...oneSided, ...optimised })).toBe('one-sided');
    expect(objectiveOf({ ...oneSided, type: targets.currentPlan })).toBe('one-sided');
    expect(objectiveOf({ ...oneSided, type: targets.currentPlan, codes: 'reference' })).toBeUndefined();
  });

  it('stay as they are in a copy', () => {
    const copy = { ...emptyForm, ...optimised, objective: 'one-sided', type: targets.copy } as const;
    expect([settingsOf(copy), mayOptimise(copy)]).toEqual([{ type: 'COPY' }, false]);
  });

  it('are part of what can be reset', () => {
    expect([isEmpty(emptyForm), isEmpty({ ...emptyForm, ...optimised })]).toEqual([true, false]);
  });
});
