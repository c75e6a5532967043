import { expect, it } from 'vitest';
import { companionFiles } from '../../../../src/exporter/onnx/companions';
import type { PlannedModel } from '../../../../src/exporter/onnx/planOnnx';
import { mistralParams } from '../../../../src/model/jsonFiles';
import type { Model } from '../../../../src/model/model';

it('are an error for transformers.js where only a params.json describes the model', async () => {
  const model = { folder: '/', config: { model_type: mistralParams, dim: 8 } } as unknown as Model;
  await expect(
    companionFiles(model, {} as PlannedModel, undefined, { transformersJs: 'q4', withoutPast: false }),
  ).rejects.toMatchObject({ code: 'REQUEST', message: expect.stringContaining('config.json') as string });
});
