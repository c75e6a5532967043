import { z } from 'zod';
import { plural, size } from '../protocol/words';
import { modelField } from './fields';
import { defineTool } from './tool';

const findingSchema = z.object({
  code: z.string().describe('Stable: index/missing-shard'),
  severity: z.enum(['error', 'warning', 'note']),
  message: z.string(),
  file: z.string(),
  tensor: z.string().optional(),
  offset: z.number().optional().describe('Bytes from the start of the file'),
  line: z.number().optional().describe('Of a JSON file, from 1'),
  fix: z.string().optional().describe('What `quantscope doctor --fix` would change'),
});

export const runDoctor = defineTool({
  name: 'run_doctor',
  title: 'Run the Checkpoint Doctor',
  description:
    'Looks for faults of a model: damaged or incomplete files, index, configuration, missing tensors, tokenizer, special tokens, chat template, quantized layouts, NaN and dead weights. Says where each is and what would fix it; changes nothing.',
  input: z.strictObject({
    model: modelField,
    weights: z
      .boolean()
      .default(true)
      .describe('Whether all weights are read; without, only headers and small files, which is fast'),
    only: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('Codes that are looked for, such as values/nan; all where it is absent'),
  }),
  output: z.object({
    findings: z.array(findingSchema),
    omitted: z.number().describe('Findings beyond those that are listed'),
    checkedBytes: z.number().describe('Bytes of weights that were read'),
    notes: z.array(z.string()),
  }),
  async run({ model, weights, only }, { call, modelPlace }) {
    const params = { path: await modelPlace(model), ...(only ? { only } : {}) };
    const { findings, omitted, checkedBytes, notes } = weights
      ? await call('model/doctor', params)
      : await call('model/doctorHeaders', params);
    return {
      data: {
        ...{ omitted, checkedBytes, notes: [...notes] },
        findings: findings.map(({ code, severity, message, file, tensor, offset, place: at, fix }) => ({
          ...{ code, severity, message, file },
          ...(tensor === undefined ? {} : { tensor }),
          ...(offset === undefined ? {} : { offset }),
          ...(at ? { line: at.line } : {}),
          ...(fix === undefined ? {} : { fix }),
        })),
      },
      lines: [
        findings.length === 0
          ? 'Nothing wrong was found.'
          : `${plural(findings.length + omitted, 'finding')}; ${size(checkedBytes)} of weights were read.`,
        ...findings.map(
          ({ code, severity, message, file, tensor, fix }) =>
            `${severity} ${code}: ${file}${tensor === undefined ? '' : `, ${tensor}`}: ${message}${fix === undefined ? '' : ` Fix: ${fix}`}`,
        ),
        ...notes.map((note) => `Note: ${note}`),
      ],
    };
  },
});
