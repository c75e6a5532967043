import { z } from 'zod';
import { modelField, tensorField } from './fields';
import { statisticsLines, statisticsOf, statisticsSchema } from './statisticsFields';
import { defineTool } from './tool';

export const tensorStatistics = defineTool({
  name: 'tensor_statistics',
  title: 'Statistics of a Tensor',
  description:
    'Exact statistics of the weights of one tensor: range, moments, percentiles, zeros, NaN, outliers, rows and columns that stand out. Reads the whole tensor; quantized ones are decoded.',
  input: z.strictObject({ model: modelField, tensor: tensorField }),
  output: z.object({ tensor: z.string(), statistics: statisticsSchema }),
  async run({ model, tensor }, { call, modelPlace }) {
    const analysis = await call('tensor/analyse', { path: await modelPlace(model), tensor });
    return {
      data: { tensor, statistics: statisticsOf(analysis) },
      lines: [tensor, ...statisticsLines(analysis)],
    };
  },
});
