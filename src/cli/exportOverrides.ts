import { resolve } from 'node:path';
import { planOverrides } from '../exporter/plan/overrides';
import { writeAtomically } from '../files/atomicFile';
import { overrideFiles, overrideKinds } from '../protocol/overrides';
import { choiceOption, requiredOption, type Command } from './command';
import { checkOutputs } from './outputs';

export const exportOverridesCommand: Command = {
  name: 'export-overrides',
  operand: 'MODEL',
  summary:
    'Write a plan as settings of another tool (llama-quantize, compressed-tensors, GPTQModel, MLX), or as a recipe',
  options: {
    plan: { type: 'string', value: 'P', help: 'the .ampq.json file', required: true },
    as: {
      ...{ type: 'string', value: 'KIND', required: true },
      help: overrideKinds.map((kind) => `${kind} (${overrideFiles[kind].label})`).join(', '),
    },
    out: { type: 'string', value: 'F', help: 'the file to write', required: true },
  },
  async run(context) {
    const { model, jobs, signal, progress, note } = context;
    requiredOption(context, 'as');
    const kind = choiceOption(context, 'as', overrideKinds)!;
    const planFile = resolve(requiredOption(context, 'plan'));
    const out = resolve(requiredOption(context, 'out'));
    const inputs = await checkOutputs(context, [out], [planFile]);
    const plan = await jobs['plan/read']({ ...model, planFile }, { signal, progress });
    const { text, notes } = planOverrides(plan, kind);
    await writeAtomically(out, (file) => file.write(Buffer.from(text)), inputs);
    for (const item of notes) note(`Note: ${item}`);
    return { json: { out, kind, notes }, lines: [`Written: ${out}`] };
  },
};
