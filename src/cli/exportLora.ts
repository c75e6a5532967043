import { resolve } from 'node:path';
import { absolutePlace } from '../model/place';
import { size } from '../protocol/words';
import {
  checkDigests,
  modelOption,
  requiredOption,
  thisFile,
  UsageError,
  valueOption,
  type Command,
} from './command';
import { table } from './text';

export const exportLoraCommand: Command = {
  name: 'export-lora',
  operand: 'ADAPTER',
  summary: 'Write a LoRA adapter (a folder of PEFT) as a GGUF adapter for llama.cpp',
  options: {
    base: { ...modelOption('MODEL', 'the checkpoint that the adapter was trained on'), required: true },
    out: { ...valueOption('F', '.gguf file to write'), required: true },
  },
  async run(context) {
    const { model, jobs, signal, progress, options } = context;
    for (const name of [thisFile, checkDigests])
      if (options[name] === true) throw new UsageError(`export-lora has no --${name}: ADAPTER is no model.`);
    const base = absolutePlace(requiredOption(context, 'base'));
    const out = resolve(requiredOption(context, 'out'));
    const result = await jobs['adapter/export'](
      { path: base, adapter: model.path, out },
      { signal, progress },
    );
    const rows = result.tensors.map(({ name, rank, shapeA, shapeB }) => [
      ...[name, String(rank), `[${shapeA.join(', ')}]`, `[${shapeB.join(', ')}]`],
    ]);
    return {
      json: result,
      lines: [
        ...table(['tensor', 'rank', 'A', 'B'], rows),
        '',
        `Written: ${out} (${result.architecture}, alpha ${result.alpha}, ${size(result.bytes)})`,
      ],
    };
  },
};
