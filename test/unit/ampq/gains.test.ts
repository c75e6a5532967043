import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  probeOf,
  readDivergences,
  rowsByTensor,
  withGains,
  type MeasuredDivergences,
} from '../../../src/ampq/gains';
import { ggufView } from '../../../src/architectures/ggufView';
import { openModel } from '../../../src/model/openModel';
import { isQuantizable } from '../../../src/model/roles';
import type { SensitivityCell, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { temporaryFolder, writeFile } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();

const cell = (format: string, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes: 1, bitsPerWeight: 4, relativeSquaredError },
  ...{ sqnr: 0, maxError: 0, device: 'cpu' },
});

const row = (tensor: string, errors: Readonly<Record<string, number>>): SensitivityRow => ({
  ...{ tensor, shape: [1, 256], weights: 256 },
  cells: Object.entries(errors).map(([format, error]) => cell(format, error)),
});

describe('the format that a tensor is measured in', () => {
  it('is Q4_K where it fits, else the next that has an error', () => {
    expect(probeOf([row('a', { Q4_0: 0.008, Q4_K: 0.005 })])).toEqual({ format: 'Q4_K', error: 0.005 });
    expect(probeOf([row('a', { Q8_0: 0.0001, Q4_0: 0.008 })])).toEqual({ format: 'Q4_0', error: 0.008 });
  });

  it('is one that all parts of a merged tensor have, and their errors add up', () => {
    const parts = [row('a', { Q4_0: 0.25, Q4_K: 0.5 }), row('b', { Q4_0: 0.125 })];
    expect(probeOf(parts)).toEqual({ format: 'Q4_0', error: 0.375 });
  });

  it.each<[string, SensitivityRow]>([
    ['has no error anywhere', row('zeros', { Q4_K: 0, Q8_0: 0 })],
    ['has no number for an error', row('broken', { Q4_K: NaN, Q8_0: Infinity })],
    ['was measured in no such format', row('other', { nf4: 0.01 })],
  ])('is none for a tensor that %s', (_, item) => expect(probeOf([item])).toBeUndefined());
});

describe('gains', () => {
  /** The tiny mixtral, each of its matrices with an error that tells it from the others. */
  async function mixtral(): Promise<{
    table: SensitivityTable;
    tensors: ReturnType<typeof ggufView>['tensors'];
  }> {
    const path = join(folder, 'mixtral');
    await writeCheckpoint(path, 'mixtral');
    const model = await openModel(path);
    const matrices = model.description.tensors.filter(isQuantizable);
    const rows = matrices.map(({ name }, i) => row(name, { Q4_0: 0.001 * (i + 1) }));
    const { tensors } = ggufView(model);
    await model.close();
    return {
      tensors,
      table: {
        ...{ modelHash: 'h', modelPath: path, parameters: 1, fixedBytes: 0, fixedParameters: 0 },
        rows,
      },
    };
  }

  const text = { path: '/texts/calibration.txt', hash: 'h', tokens: 2048 };
  const expert = (layer: number, index: number, part: string): string =>
    `model.layers.${layer}.block_sparse_moe.experts.${index}.${part}.weight`;

  it('are divergence per error, one for all experts that GGUF merges into a tensor', async () => {
    const { table, tensors } = await mixtral();
    const measured: MeasuredDivergences = {
      ...{ version: 1, text },
      tensors: {
        'blk.1.ffn_down_exps.weight': { format: 'Q4_0', error: 0.25, divergence: 0.002 },
        'output.weight': { format: 'Q4_0', error: 0.5, divergence: 0.001 },
      },
    };
    const found = withGains(table, tensors, measured);
    const gains = new Map(
      found.rows.flatMap(({ tensor, gain }) => (gain === undefined ? [] : [[tensor, gain]])),
    );
    const experts = [0, 1, 2, 3].map((index): [string, number] => [expert(1, index, 'w2'), 0.008]);
    expect(gains).toEqual(new Map([...experts, ['lm_head.weight', 0.002]]));
    expect(found.gainsFrom).toEqual({ text: text.path, tokens: 2048 });
    // Nothing else of the table has changed.
    expect(found.rows.map(({ gain: _, ...rest }) => rest)).toEqual(table.rows);
  });

  it('find the rows of every tensor of GGUF that has some', async () => {
    const { table, tensors } = await mixtral();
    const found = new Map([...rowsByTensor(tensors, table)].map(([{ name }, rows]) => [name, rows]));
    expect(found.get('blk.0.ffn_up_exps.weight')!.map(({ tensor }) => tensor)).toEqual(
      [0, 1, 2, 3].map((index) => expert(0, index, 'w3')),
    );
    expect(found.get('token_embd.weight')).toEqual([
      table.rows.find(({ tensor }) => tensor.includes('embed')),
    ]);
    expect(found.has('output_norm.weight')).toBe(false);
    expect([...found.values()].flat()).toHaveLength(table.rows.length);
  });

  const good: MeasuredDivergences = {
    ...{ version: 1, text },
    tensors: { 'output.weight': { format: 'Q4_K', error: 0.005, divergence: 0.0001 } },
  };
  const changed = (change: object): string => JSON.stringify({ ...good, ...change });
  const withTensor = (change: object): string =>
    changed({ tensors: { 'output.weight': { ...good.tensors['output.weight'], ...change } } });

  it('are read as they were written', async () => {
    expect(await readDivergences(writeFile(folder, 'good.gains.json', changed({})))).toEqual(good);
  });

  it.each<[string, string]>([
    ['is cut short', changed({}).slice(0, -9)],
    ['is empty', ''],
    ['is a list', '[]'],
    ['has another version', changed({ version: 2 })],
    ['does not say its text', changed({ text: {} })],
    ['has no tensors', changed({ tensors: null })],
    ['has a tensor without figures', changed({ tensors: { 'output.weight': null } })],
    ['has an error of zero', withTensor({ error: 0 })],
    ['has a divergence that is none', withTensor({ divergence: null })],
    ['has a divergence below zero', withTensor({ divergence: -1 })],
  ])('of a file that %s are not taken', async (_, content) => {
    expect(await readDivergences(writeFile(folder, 'bad.gains.json', content))).toBeUndefined();
  });

  it('are none where nothing was measured', async () =>
    expect(await readDivergences(join(folder, 'absent.gains.json'))).toBeUndefined());
});
