import { resolve } from 'node:path';
import { plural, size } from '../protocol/words';
import { requiredOption, type Command } from './command';

export const convertCommand: Command = {
  name: 'convert',
  operand: 'MODEL',
  summary: 'Write the tensors of PyTorch files as one safetensors file, with the same names, dtypes and bits',
  options: {
    out: { type: 'string', value: 'X', help: 'the .safetensors file to write', required: true },
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const out = resolve(requiredOption(context, 'out'));
    const result = await jobs['model/convert']({ ...model, out }, { signal, progress });
    const what = plural(result.tensors, 'tensor');
    return { json: result, lines: [`Written: ${result.out} (${what}, ${size(result.bytes)})`] };
  },
};
