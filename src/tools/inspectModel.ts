import { z } from 'zod';
import { dangerLine } from '../protocol/dangerText';
import { limitNote } from '../protocol/limitNote';
import { identityLines } from '../protocol/overview';
import { tabled } from '../protocol/tensorTable';
import { plural, size } from '../protocol/words';
import { modelField } from './fields';
import { defineTool } from './tool';

/** Tensors in an answer unless more are asked for, and at most: an answer is read by a model with a limited context. */
const usualTensors = 100;
const mostTensors = 1000;

const tensorSchema = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.number()).describe('Outermost dimension first: a linear layer is [out, in]'),
  bytes: z.number(),
  readable: z.boolean(),
});

export const inspectModel = defineTool({
  name: 'inspect_model',
  title: 'Inspect a Model',
  description:
    'What a language model file is: architecture, layers, sizes, context, dtypes, warnings, dangers of its pickle, and its tensors. Reads headers only, so it is fast for files of any size.',
  input: z.strictObject({
    model: modelField,
    contains: z.string().optional().describe('Lists only tensors whose name contains this text'),
    first: z.number().int().min(0).default(0).describe('Index of the first tensor to list, from 0'),
    count: z
      .number()
      .int()
      .min(0)
      .max(mostTensors)
      .default(usualTensors)
      .describe('How many tensors to list at most'),
  }),
  output: z.object({
    name: z.string(),
    path: z.string(),
    format: z.string(),
    architecture: z.string().optional(),
    parameters: z.number(),
    bytes: z.number(),
    facts: z.array(z.object({ label: z.string(), text: z.string() })),
    warnings: z.array(z.string()),
    notes: z.array(z.string()),
    dangers: z.array(z.string()),
    matching: z.number().describe('Tensors that match, of which `tensors` lists some'),
    tensors: z.array(tensorSchema),
  }),
  async run({ model: named, contains, first, count }, { call, modelPlace }) {
    const ref = { path: await modelPlace(named) };
    const model = tabled(await call('model/open', ref));
    const facts = identityLines(await call('model/overview', ref));
    const matching = model.tensors.filter(({ name }) => contains === undefined || name.includes(contains));
    const listed = matching.slice(first, first + count);
    const notes = [...model.notes, limitNote(await call('model/limits', ref))].filter(
      (note) => note !== undefined,
    );
    const dangers = (model.dangers ?? []).map(dangerLine);
    const { name, path, format, architecture, parameters, dataBytes, warnings } = model;
    return {
      data: {
        ...{ name, path, format, parameters, bytes: dataBytes, notes, dangers, warnings: [...warnings] },
        ...(architecture === undefined ? {} : { architecture }),
        facts: facts.map(({ label, text }) => ({ label, text })),
        matching: matching.length,
        tensors: listed.map(({ byteLength, dtype, readable, shape, ...tensor }) => ({
          ...{ name: tensor.name, dtype, readable, shape: [...shape], bytes: byteLength },
        })),
      },
      lines: [
        `${name}: ${path}`,
        `${format}, ${plural(model.tensors.length, 'tensor')}, ${plural(parameters, 'parameter')}, ${size(dataBytes)}`,
        ...dangers.map((danger) => `DANGER: ${danger}`),
        ...warnings.map((warning) => `Warning: ${warning}`),
        ...notes.map((note) => `Note: ${note}`),
        ...facts.map(({ label, text }) => `${label}: ${text}`),
        `Tensors ${first + 1} to ${first + listed.length} of ${matching.length}:`,
        ...listed.map(
          ({ name, dtype, shape, byteLength }) =>
            `${name}: ${dtype} [${shape.join(', ')}], ${size(byteLength)}`,
        ),
      ],
    };
  },
});
