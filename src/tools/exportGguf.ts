import { z } from 'zod';
import { QuantscopeError } from '../model/errors';
import type { ExportSettings } from '../protocol/export';
import type { ModelRef } from '../protocol/model';
import { size } from '../protocol/words';
import { modelField, planField } from './fields';
import { replacementNote, requireFree, targetFields } from './targetFields';
import { defineTool, type ToolContext } from './tool';

const fields = {
  model: modelField,
  type: z.string().min(1).optional().describe('GGUF file type, such as Q4_K_M. Give type or plan'),
  plan: planField.optional(),
  ...targetFields('a .gguf file'),
};
const inputSchema = z.strictObject(fields);

export const exportGguf = defineTool({
  name: 'export_gguf',
  title: 'Export as GGUF',
  description:
    'Quantizes a model to a GGUF file for llama.cpp, in a file type or by a plan. Takes about as long as reading and writing the model.',
  input: inputSchema,
  output: z.object({
    out: z.string(),
    bytes: z.number(),
    bitsPerWeight: z.number().optional(),
    tensors: z.number(),
    seconds: z.number(),
    warnings: z.array(z.string()),
  }),
  async announce(input, context) {
    const request = await exportRequest(input, context);
    const { fileBytes, bitsPerWeight, warnings } = await context.call('export/preview', request);
    const width = bitsPerWeight === undefined ? '' : `, ${bitsPerWeight.toFixed(2)} bits per weight`;
    const what = `Write ${input.model} as GGUF by ${input.type ?? input.plan} to ${request.out}: ${size(fileBytes)}${width}.`;
    return [`${what}${await replacementNote(request.out)}`, ...warnings].join(' ');
  },
  async run(input, context) {
    const { call, evaluationDir, device } = context;
    const request = await exportRequest(input, context);
    const written = await call('export/gguf', { ...request, cacheDir: evaluationDir, device });
    const { out, fileBytes, bitsPerWeight, tensors, seconds, warnings } = written;
    return {
      data: {
        ...{ out, bytes: fileBytes, tensors: tensors.length, seconds, warnings: [...warnings] },
        ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
      },
      lines: [
        `Written: ${out}, ${size(fileBytes)}, ${tensors.length} tensors`,
        ...warnings.map((warning) => `Warning: ${warning}`),
      ],
    };
  },
});

/** @throws QuantscopeError REQUEST unless it is by a type or by a plan, to a .gguf file that may be written. */
async function exportRequest(
  { model, type, plan, out, overwrite }: z.output<typeof inputSchema>,
  { place, modelPlace, target }: ToolContext,
): Promise<ExportSettings & ModelRef & { readonly out: string }> {
  if ((type === undefined) === (plan === undefined))
    throw new QuantscopeError('REQUEST', 'Give "type" or "plan", and not both.');
  if (!/\.gguf$/i.test(out))
    throw new QuantscopeError('REQUEST', `"out" takes a name that ends with .gguf, not "${out}".`);
  return {
    path: await modelPlace(model),
    out: await requireFree(await target(out), overwrite),
    ...(type === undefined ? {} : { type }),
    ...(plan === undefined ? {} : { planFile: await place(plan) }),
  };
}
