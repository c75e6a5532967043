import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { describeDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { Evidence } from '../../../src/quant/methods/method';
import { temporaryFolder } from '../../support/files';
import { measuredEvidence } from '../../support/measuredEvidence';
import { Checkpoint } from '../../support/reference/checkpoint';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const source = join(temporaryFolder(), 'qwen35');
const tokens = Int32Array.from({ length: 64 }, (_, i) => (i * 389 + 17) % 1024);
const [matrix, inFile] = ['model.layers.0.linear_attn.out_proj.weight', 'blk.0.ssm_out.weight'];
/** Rows and columns of the matrix. */
const [rows, columns] = [64, 192];
const models: Model[] = [];

beforeAll(async () => {
  await writeCheckpoint(source, 'qwen35');
  models.push(await openModel(source));
  await exportGguf(models[0]!, { type: 'F32' }, `${source}.gguf`);
  models.push(await openModel(`${source}.gguf`));
});
afterAll(async () => {
  for (const model of models) await model.close();
});

/** What a matrix gives for sampled inputs, and the squares of its outputs by the Hessian. */
function outputs(weight: ArrayLike<number>, { inputs, hessian }: Evidence) {
  const at = (row: number, column: number): number => weight[row * columns + column]!;
  const sum = (term: (column: number) => number): number =>
    Array.from({ length: columns }, (_, column) => term(column)).reduce((total, value) => total + value, 0);
  return {
    given: Array.from({ length: rows }, (_, row) => sum((column) => at(row, column) * inputs![column]!)),
    squares: Array.from({ length: rows }, (_, row) =>
      sum((i) => sum((j) => at(row, i) * at(row, j) * hessian![i * columns + j]!)),
    ),
  };
}

describe('evidence of a matrix whose columns GGUF has in another order', () => {
  it('is in the order of the checkpoint, or of the file where it is asked for', async () => {
    const [checkpoint, gguf] = [
      await measuredEvidence(models[0]!, tokens, 32),
      await measuredEvidence(models[1]!, tokens, 32),
    ];
    const all = async (
      ...[name, of, options]: [string, typeof gguf, { columns?: 'gguf' }?]
    ): Promise<Evidence> => ({
      ...(await of.for(name, 'hessian', options)),
      ...(await of.for(name, 'activations', options)),
    });
    const { weights } = await describeDecoder(models[1]!);
    const [own, theirs] = [await all(matrix, checkpoint), await all(inFile, gguf)];
    const stored = new Float32Array(rows * columns);
    await weights.load(inFile, stored);
    const expected = outputs(stored, theirs);
    const found = outputs(new Checkpoint(source).vector(matrix), own);
    for (const what of ['given', 'squares'] as const)
      found[what].forEach((value, row) =>
        expect(value, `${what} ${row}`).toBeCloseTo(expected[what][row]!, 4),
      );
    // The sums belong to the same columns.
    own.importance!.forEach((value, i) => expect(value).toBeCloseTo(own.hessian![i * columns + i]!, 5));
    for (const part of ['mean', 'largest'] as const)
      expect([...own[part]!].sort()).toEqual([...theirs[part]!].sort());
    expect(await all(matrix, checkpoint, { columns: 'gguf' })).toEqual(theirs);
    expect(own.mean).not.toEqual(theirs.mean);
  });
});
