import { resolve } from 'node:path';
import { countOption, requiredOption, textOption, UsageError, type Command } from './command';
import { size, table } from './text';

export const exportCommand: Command = {
  name: 'export',
  operand: 'MODEL',
  summary: 'Write a GGUF file of one type, or with a plan',
  options: {
    type: { type: 'string', value: 'T', help: 'Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, F16 or BF16' },
    plan: { type: 'string', value: 'P', help: 'an .ampq.json plan' },
    out: { type: 'string', value: 'F', help: 'the .gguf file to write', required: true },
    threads: { type: 'string', value: 'N', help: 'threads (default: all cores)' },
  },
  async run(context) {
    const { path, jobs, signal, progress } = context;
    const type = textOption(context, 'type');
    const plan = textOption(context, 'plan');
    if ((type === undefined) === (plan === undefined)) throw new UsageError('give either --type or --plan');
    const threads = countOption(context, 'threads');
    const out = resolve(requiredOption(context, 'out'));
    const target = type !== undefined ? { type } : { planFile: resolve(plan!) };
    const result = await jobs['export/gguf'](
      { path, out, ...target, ...(threads === undefined ? {} : { threads }) },
      { signal, progress },
    );
    const rows = result.tensors.map((tensor) => [
      tensor.name,
      tensor.from,
      tensor.to,
      size(tensor.bytes),
      tensor.reason,
    ]);
    const total = `${size(result.fileBytes)}, ${result.bitsPerWeight.toFixed(3)} bits per weight, ${result.seconds.toFixed(2)} s`;
    return {
      json: result,
      text: `${table(['tensor', 'from', 'to', 'size', 'why'], rows)}\n\nWritten: ${result.out} (${total})`,
    };
  },
};
