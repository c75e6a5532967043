import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import type { CertificateRival, JointFigures } from '../../../src/protocol/certificate';
import type { Plan, SensitivityCell, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { verdictOf } from '../../../src/protocol/verdict';
import { rowWith } from '../../support/plans';

const bits: Readonly<Record<string, number>> = { Q2_K: 2.625, Q4_K: 4.5, Q6_K: 6.5625 };
const errors: Readonly<Record<string, number>> = { Q2_K: 0.06, Q4_K: 0.004, Q6_K: 0.0002 };

function row(tensor: string, gain?: number, known = errors): SensitivityRow {
  const cells = Object.entries(known).map(([format, relativeSquaredError]): SensitivityCell => ({
    ...{ format, bytes: 320 * bits[format]!, bitsPerWeight: bits[format]!, relativeSquaredError },
    ...{ sqnr: 0, maxError: 0, device: 'cpu' },
  }));
  return { ...rowWith(tensor, 2560, cells), ...(gain === undefined ? {} : { gain }) };
}

const tableOf = (
  rows: readonly SensitivityRow[],
  change: Partial<SensitivityTable> = {},
): SensitivityTable => ({
  ...{ modelHash: 'h', modelName: 'm', parameters: 5220, fixedBytes: 400, fixedParameters: 100, rows },
  presets: [
    { fileType: 'Q4_K_M', formats: ['Q6_K', 'Q4_K'] },
    { fileType: 'Q4_K_S', formats: ['Q4_K', 'Q4_K'] },
    { fileType: 'Q5_0', formats: ['Q5_0', 'Q5_0'] },
  ],
  ...change,
});

const budget = (value: number) => ({ kind: 'bits-per-weight', value }) as const;
const mixed = (4.5 + 6.5625) / 2;

describe('a plan and the presets that keep its budget', () => {
  it('is recommended where it is predicted better', () => {
    // The output depends on b; the preset gives its bits to a.
    const plan = makePlan(tableOf([row('a', 0.01), row('b', 0.5)]), budget(mixed));
    const theirs = 0.01 * 0.0002 + 0.5 * 0.004;
    expect(plan.preset).toMatchObject({ fileType: 'Q4_K_M', bytes: 400 + 320 * (4.5 + 6.5625) });
    expect(plan.preset!.divergence).toBeCloseTo(theirs, 12);
    expect(plan.total.divergence).toBeCloseTo(0.01 * 0.004 + 0.5 * 0.0002, 12);
    expect(verdictOf(plan)).toEqual({
      recommended: true,
      text: 'Predicted better than Q4_K_M (3.94 kB): KL divergence 0.00014 against 0.002 nats per token.',
    });
  });

  it('is not recommended where a preset is predicted as good or better', () => {
    const plan = makePlan(tableOf([row('a', 0.5), row('b', 0.01)]), budget(mixed));
    expect(plan.total.divergence).toBe(plan.preset!.divergence);
    expect(verdictOf(plan)).toMatchObject({ recommended: false, text: /^Q4_K_M .* is predicted as good/ });
    const worse = { ...plan, total: { ...plan.total, divergence: 0.003 } };
    expect(verdictOf(worse)).toMatchObject({
      recommended: false,
      text: /^Q4_K_M .* is predicted better at this size: KL divergence 0\.003 against/,
    });
  });

  it('is not recommended where predictions differ less than they can tell apart', () => {
    const plan = makePlan(tableOf([row('a', 0.01), row('b', 0.5)]), budget(mixed));
    const near = { ...plan, total: { ...plan.total, divergence: plan.preset!.divergence! * 0.985 } };
    expect(verdictOf(near)).toEqual({
      recommended: false,
      text: 'Q4_K_M (3.94 kB) is predicted as good: KL divergence 0.00197 against 0.002 nats per token, which is less than predictions tell apart. There is no gain to expect.',
    });
  });

  it('is never recommended for a model that predicts its text no better than chance', () => {
    const over = { text: '/texts/some.txt', hash: 'h', tokens: 2048, context: 256, noise: 1e-12 };
    const made = (loss: number) =>
      makePlan(
        tableOf([row('a', 0.01), row('b', 0.5)], { gainsFrom: { ...over, loss, chance: 6.93 } }),
        budget(mixed),
      );
    expect(verdictOf(made(6.5))).toMatchObject({ recommended: true });
    const text =
      'The model predicts some.txt no better than chance (6.60 nats per token, 6.93 by chance): it was not trained, or not on such texts, and there is no gain to expect from a plan.';
    expect(verdictOf(made(6.6))).toEqual({ recommended: false, text });
    expect(made(6.6).notes).toContain(text);
    expect(made(6.5).notes).not.toContain(text);
  });

  it('is as good as the preset where both are below the noise of the measurement', () => {
    const plan = makePlan(tableOf([row('a', 0.01), row('b', 0.5)]), budget(mixed));
    expect(verdictOf(plan, 0.0015)).toMatchObject({ recommended: true }); // 0.00014 against 0.002
    expect(verdictOf(plan, 0.003)).toEqual({
      recommended: false,
      text: 'Q4_K_M (3.94 kB) is predicted as good: both KL divergences are below the noise of the measurement.',
    });
  });

  it('is compared by errors and roles where gains are not known, and never recommended', () => {
    const output = { ...row('output.weight'), roleFactor: 16 };
    const plan = makePlan(tableOf([output, row('b')]), budget(mixed));
    expect(plan.assignments.map(({ format }) => format)).toEqual(['Q6_K', 'Q4_K']);
    expect(plan.total.roleError).toBeCloseTo((16 * 0.0002 + 0.004) / 17, 12);
    expect(plan.total.error).toBeCloseTo((0.0002 + 0.004) / 2, 12);
    expect(verdictOf(plan)).toMatchObject({ recommended: false, text: /^By the errors .* was not measured/ });
  });

  it('is never compared with a preset above the budget, or with types that were not measured', () => {
    expect(makePlan(tableOf([row('a', 1), row('b', 1)]), budget(4.5)).preset!.fileType).toBe('Q4_K_S');
    const none = makePlan(tableOf([row('a', 1), row('b', 1)]), budget(3));
    expect(none.preset).toBeUndefined();
    expect(verdictOf(none)).toBeUndefined();
  });
});

describe('notes of a plan', () => {
  it('warn at three bits and below', () => {
    const table = tableOf([row('a', 1), row('b', 1)]);
    expect(makePlan(table, budget(3)).notes).toContainEqual(
      expect.stringMatching(/^At 2\.6\d bits per weight/),
    );
    expect(makePlan(table, budget(4.5)).notes).not.toContainEqual(expect.stringMatching(/^At /));
  });

  it('say that a predicted divergence does not include the rounding of activations', () => {
    const note =
      'The predicted KL divergence is that of the weights. Rounding of activations, as llama.cpp does on CPUs, is not included: an evaluation that rounds activations (the Evaluate tab, or quantscope eval --round-activations) measures both.';
    expect(makePlan(tableOf([row('a', 1), row('b', 1)]), budget(4.5)).notes).toEqual([note]);
    expect(makePlan(tableOf([row('a'), row('b')]), budget(4.5)).notes).toEqual([]);
  });

  it('name the presets within the budget that need an importance matrix, the largest first', () => {
    const unmeasuredPresets = [
      ...[1.6, 2.1, 2.3, 2.7].map((width) => ({ fileType: `IQ at ${width}`, bytes: 640 * width })),
      { fileType: 'too large', bytes: 640 * 4.5 + 1 },
    ];
    const { notes } = makePlan(tableOf([row('a'), row('b')], { unmeasuredPresets }), budget(4.5));
    expect(notes).toEqual([
      'Presets within the budget that the plan is not compared with, as they need an importance matrix: IQ at 2.7, IQ at 2.3, IQ at 2.1 and 1 more.',
    ]);
  });

  it('name tensors without a suitable format, and say what cannot be done', () => {
    const broken = row('broken', undefined, { Q4_K: NaN, Q6_K: Infinity });
    const plan = makePlan(
      tableOf([broken, row('b')], {
        notExportable: 'There is no description.',
        weightsOnly: 'it was asked for.',
      }),
      budget(16),
    );
    expect(plan.assignments[0]).toMatchObject({ tensor: 'broken', format: 'BF16', relativeSquaredError: 0 });
    expect(plan.notes).toEqual([
      'This model cannot be exported as GGUF, so the plan cannot be used for an export: There is no description.',
      'The plan is based on the errors of the weights alone: it was asked for.',
      'Tensors that have no finite error in any format (weights too large) are kept without loss: broken (BF16).',
    ]);
  });
});

describe('a certified plan', () => {
  const figures = (value: number): JointFigures => ({
    ...{
      mean: { value, standardError: 1e-5 },
      median: value / 2,
      percentile99: 4 * value,
      sameTopToken: 0.98,
    },
  });
  const rival = (
    kind: CertificateRival['kind'],
    value: number,
    [low, high]: readonly [number, number],
  ): CertificateRival => ({
    ...{ kind, name: kind === 'preset' ? 'Q4_K_M' : 'random', codes: 'optimised', fileBytes: 3_180_000 },
    ...{ measured: figures(value), difference: { value: 0.0006 - value, low, high } },
  });
  const predicted = makePlan(tableOf([row('a', 0.001), row('b', 0.5)]), budget(mixed));
  const certified = (...rivals: readonly CertificateRival[]): Plan => ({
    ...predicted,
    certificate: {
      text: { file: 'eval.txt', hash: 'h', context: 256, windows: 192, tokens: 24_384 },
      ...{ assignments: 'd', roundActivations: false, measured: figures(0.0006), rivals, notCompared: [] },
    },
  });
  const control = rival('random', 0.004, [-0.0035, -0.0033]);

  it('is recommended where the intervals show that it is better than the presets and the control', () => {
    expect(verdictOf(certified(rival('preset', 0.0012, [-0.0007, -0.0005]), control))).toEqual({
      recommended: true,
      text: 'Better than the presets: KL divergence 0.0006 against 0.0012 of Q4_K_M with optimised codes (3.18 MB), measured over 24,384 tokens of eval.txt.',
    });
  });

  it('names each preset that it was measured against', () => {
    const shown = [-0.0007, -0.0005] as const;
    const presets = [0.0012, 0.0013, 0.0014].map((value) => rival('preset', value, shown));
    const name = 'Q4_K_M with optimised codes (3.18 MB)';
    expect(verdictOf(certified(...presets, control))!.text).toContain(
      `against 0.0012 of ${name}, 0.0013 of ${name} and 0.0014 of ${name}, measured`,
    );
  });

  it('is compared with a file, too, whose weights have their own codes', () => {
    const file = (value: number, interval: readonly [number, number]): CertificateRival => {
      const { measured, difference, fileBytes } = rival('preset', value, interval);
      return { kind: 'file', name: 'theirs.gguf', fileBytes, measured, difference };
    };
    expect(verdictOf(certified(file(0.0011, [-0.0006, -0.0004]), control))).toEqual({
      recommended: true,
      text: 'Better than each of them: KL divergence 0.0006 against 0.0011 of theirs.gguf (3.18 MB), measured over 24,384 tokens of eval.txt.',
    });
    expect(verdictOf(certified(file(0.0005, [0.00005, 0.00015]), control))).toMatchObject({
      recommended: false,
      text: expect.stringContaining('so use theirs.gguf') as string,
    });
  });

  it('is not recommended where they do not, whatever was predicted, and the preset is offered', () => {
    const plan = certified(rival('preset', 0.00065, [-0.0002, 0.0001]), control);
    expect(verdictOf(predicted)!.recommended).toBe(true);
    expect(verdictOf(plan)).toEqual({
      recommended: false,
      text: 'Not recommended (KL divergence 0.0006, measured over 24,384 tokens of eval.txt): it is not shown to be better than Q4_K_M with optimised codes (3.18 MB): the difference is −0.00005 (−0.0002 to 0.0001) nats per token, so use Q4_K_M.',
    });
    expect(verdictOf(certified(rival('preset', 0.0005, [0.00005, 0.00015]), control))).toMatchObject({
      recommended: false,
      text: /Q4_K_M with optimised codes \(3.18 MB\) is better: the difference is 0.0001 \(0.00005 to 0.00015\)/,
    });
  });

  it('is not recommended where it is no better than a random assignment, or without a preset', () => {
    const lucky = rival('random', 0.0006, [-0.0001, 0.0001]);
    expect(verdictOf(certified(rival('preset', 0.0012, [-0.0007, -0.0005]), lucky))).toMatchObject({
      recommended: false,
      text: /not shown to be better than a random assignment of 3.18 MB: the difference is 0 \(−0.0001 to 0.0001\) nats per token\.$/,
    });
    expect(verdictOf(certified(control))).toMatchObject({
      recommended: false,
      text: /no preset within the budget/,
    });
  });
});
