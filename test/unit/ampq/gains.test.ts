import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  fewBitsProbe,
  gainsFile,
  printDivergences,
  probeOf,
  readDivergences,
  withGains,
  type MeasuredDivergences,
} from '../../../src/ampq/gains';
import { tableNotes } from '../../../src/protocol/tableNotes';
import { seal, unseal } from '../../../src/model/sealedJson';
import type { SensitivityCell, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { temporaryFolder, writeFile } from '../../support/files';
import { rowWith } from '../../support/plans';

const folder = temporaryFolder();

const cell = (format: string, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes: 1, bitsPerWeight: 4, relativeSquaredError },
  ...{ sqnr: 0, maxError: 0, device: 'cpu' },
});

const row = (tensor: string, errors: Readonly<Record<string, number>>): SensitivityRow =>
  rowWith(
    tensor,
    256,
    Object.entries(errors).map(([format, error]) => cell(format, error)),
  );

describe('the format that a tensor is measured in', () => {
  it('is Q4_K where it fits, else the next that has an error', () => {
    expect(probeOf(row('a', { Q4_0: 0.008, Q4_K: 0.005 }))).toEqual({ format: 'Q4_K', error: 0.005 });
    expect(probeOf(row('a', { Q8_0: 0.0001, Q4_0: 0.008 }))).toEqual({ format: 'Q4_0', error: 0.008 });
  });

  it('is Q2_K for plans of few bits, whose gains are kept in a file of their own', () => {
    const item = row('a', { Q2_K: 0.06, Q4_0: 0.008, Q4_K: 0.005 });
    expect(probeOf(item, fewBitsProbe)).toEqual({ format: 'Q2_K', error: 0.06 });
    expect(gainsFile('f', 'k')).toBe(join('f', 'k.gains.json'));
    expect(gainsFile('f', 'k', fewBitsProbe)).toBe(join('f', 'k.Q2_K.gains.json'));
  });

  it('is the one with the most usual error where it was measured in none of these', () => {
    expect(probeOf(row('a', { nf4: 0.01 }))).toEqual({ format: 'nf4', error: 0.01 });
    expect(probeOf(row('a', { F16: 4e-8, Q6_K: 0.0002, Q2_K: 0.08, Q3_K: NaN }))).toEqual({
      ...{ format: 'Q2_K', error: 0.08 },
    });
    expect(probeOf(row('a', { Q8_0: 0, F16: 4e-8 }))).toEqual({ format: 'F16', error: 4e-8 });
  });

  it.each<[string, SensitivityRow]>([
    ['has no error anywhere', row('zeros', { Q4_K: 0, Q8_0: 0 })],
    ['has no number for an error', row('broken', { Q4_K: NaN, Q8_0: Infinity })],
  ])('is none for a tensor that %s', (_, item) => expect(probeOf(item)).toBeUndefined());
});

describe('gains', () => {
  const text = { path: '/texts/calibration.txt', hash: 'h', tokens: 2048, context: 512 };

  it('are divergence per error; those of tensors that were not measured are estimated, and named', () => {
    const rows = [
      row('output.weight', { Q4_0: 0.5 }),
      row('blk.1.ffn_down_exps.weight', { Q4_0: 0.25, Q8_0: 0.001 }),
      row('blk.0.attn_q.weight', { Q4_0: 0.01 }),
      row('constructor', { Q4_0: 0.01 }),
    ];
    const table: SensitivityTable = {
      ...{ modelHash: 'h', modelName: 'm', parameters: 1, fixedBytes: 0, fixedParameters: 0 },
      ...{ rows, presets: [] },
    };
    const measured: MeasuredDivergences = {
      ...{ noise: 1e-14, loss: 3.3, chance: 6.9, text },
      tensors: {
        'blk.1.ffn_down_exps.weight': { format: 'Q4_0', error: 0.25, divergence: 0.002 },
        'output.weight': { format: 'Q4_0', error: 0.5, divergence: 0.001 },
      },
    };
    const found = withGains(table, measured);
    // The others by the mean of these, as all have as many weights and one role factor.
    expect(found.rows.map(({ gain }) => gain)).toEqual([0.002, 0.008, 0.005, 0.005]);
    expect(found.rows.map(({ isEstimated }) => isEstimated)).toEqual([undefined, undefined, true, true]);
    expect(found.gainsFrom).toEqual({
      text: text.path,
      hash: text.hash,
      tokens: 2048,
      context: 512,
      ...{ noise: 1e-14, loss: 3.3, chance: 6.9 },
    });
    expect(found.rows[1]!.measured).toEqual({ format: 'Q4_0', error: 0.25, divergence: 0.002 });
    expect(tableNotes(found)).toEqual([
      'The effect of these on the output was not measured, or is not finite, and is estimated from their roles: blk.0.attn_q.weight, constructor.',
    ]);
    expect(tableNotes(table)).toEqual([]);
    // Nothing else of the table has changed.
    expect(found.rows.map(({ gain: _, measured: __, isEstimated: ___, ...rest }) => rest)).toEqual(rows);
  });

  const good: MeasuredDivergences = {
    ...{ noise: 1e-14, loss: 3.3, chance: 6.9, text },
    tensors: { 'output.weight': { format: 'Q4_K', error: 0.005, divergence: 0.0001 } },
  };
  const printed = printDivergences(good);
  const changed = (change: object): string => seal({ ...(unseal(printed.trimEnd()) as object), ...change });
  const withTensor = (change: object): string =>
    changed({ tensors: { 'output.weight': { ...good.tensors['output.weight'], ...change } } });

  it('are read as they were written', async () => {
    expect(await readDivergences(writeFile(folder, 'good.gains.json', printed))).toEqual(good);
    expect(await readDivergences(writeFile(folder, 'same.gains.json', changed({})))).toEqual(good);
  });

  it('by the curvature say so', async () => {
    const curved = { ...good, by: 'curvature' } as const;
    expect(await readDivergences(writeFile(folder, 'curved.gains.json', printDivergences(curved)))).toEqual(
      curved,
    );
  });

  it.each<[string, string]>([
    ['is by an unknown measure', changed({ by: 'guess' })],
    ['is by the curvature, of no version', changed({ by: 'curvature' })],
    ['is cut short', printed.slice(0, -9)],
    ['is empty', ''],
    ['is a list', '[]'],
    ['is not sealed', JSON.stringify(good)],
    ['was edited', printed.replace('0.0001', '0.001')],
    [
      'is of another version of a format',
      changed({ versions: { Q4_K: 0, divergences: 1, errors: 1, states: 1 } }),
    ],
    ['says no versions', changed({ versions: undefined })],
    ['has an unknown format', withTensor({ format: 'Q9_K' })],
    ['does not say its text', changed({ text: {} })],
    ['does not say its noise', changed({ noise: null })],
    ['does not say the loss of its text', changed({ loss: undefined })],
    ['has no tensors', changed({ tensors: null })],
    ['has a tensor without figures', changed({ tensors: { 'output.weight': null } })],
    ['has an error of zero', withTensor({ error: 0 })],
    ['has no divergence', withTensor({ divergence: null })],
    ['has a divergence below zero', withTensor({ divergence: -1 })],
  ])('of a file that %s are not taken', async (_, content) => {
    expect(await readDivergences(writeFile(folder, 'bad.gains.json', content))).toBeUndefined();
  });

  it('are none where nothing was measured', async () =>
    expect(await readDivergences(join(folder, 'absent.gains.json'))).toBeUndefined());
});
