import { resolve } from 'node:path';
import { parseSplitSize } from '../exporter/gguf/splits';
import {
  convertDtypes,
  convertNames,
  type ConvertParams,
  type ConvertPreview,
  type ConvertResult,
} from '../protocol/convert';
import { plural, size } from '../protocol/words';
import { loraOption } from './adapters';
import {
  choiceOption,
  flagOption,
  requiredOption,
  textOption,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { table } from './text';

export const convertCommand: Command = {
  name: 'convert',
  operand: 'MODEL',
  summary: 'Write a model as safetensors: one file, or the folder of a checkpoint, in other dtypes and files',
  options: {
    out: { ...valueOption('X', 'the .safetensors file to write, or the folder to make'), required: true },
    dtype: valueOption('T', `dtype of all floats: ${convertDtypes.join(', ')} (default: as they are)`),
    decode: flagOption('write quantized weights (GPTQ, AWQ, FP8…) as plain ones'),
    lora: loraOption,
    names: valueOption('N', 'of a GGUF file: checkpoint or gguf (default: those of its checkpoint)'),
    'allow-infinity': flagOption('let weights beyond the range of the dtype become infinite'),
    'max-shard-size': valueOption('N', 'largest file of weights in a folder: 300M, 2G (default: 5G)'),
    single: flagOption('one file of weights in a folder, however large'),
    overwrite: flagOption('replace a folder that an earlier run wrote'),
    'dry-run': flagOption('write nothing; show dtypes and files'),
  },
  async run(context) {
    const { jobs, signal, progress } = context;
    const params = paramsOf(context);
    if (context.options['dry-run'] === true) {
      const preview = await jobs['model/convertPreview'](params, { signal, progress });
      return { json: preview, lines: describePreview(preview) };
    }
    const result = await jobs['model/convert'](params, { signal, progress });
    return { json: result, lines: [...notesOf(result), writtenLine(result)] };
  },
};

function paramsOf(context: CommandContext): ConvertParams {
  const { options } = context;
  const dtype = choiceOption(context, 'dtype', convertDtypes);
  const names = choiceOption(context, 'names', convertNames);
  const shard = textOption(context, 'max-shard-size');
  return {
    ...context.model,
    out: resolve(requiredOption(context, 'out')),
    ...(dtype === undefined ? {} : { dtype }),
    ...(names === undefined ? {} : { names }),
    ...(options['decode'] === true ? { decode: true } : {}),
    ...(options['allow-infinity'] === true ? { allowInfinity: true } : {}),
    ...(shard === undefined ? {} : { maxShardBytes: parseSplitSize(shard) }),
    ...(options['single'] === true ? { single: true } : {}),
    ...(options['overwrite'] === true ? { overwrite: true } : {}),
  };
}

function describePreview({ tensors, files, others, notes }: ConvertPreview): string[] {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return [
    ...table(
      ['tensor', 'from', 'to', 'size'],
      tensors.map(({ name, from, to, bytes: of }) => [name, from, to, size(of)]),
    ),
    '',
    ...table(
      ['file', 'size', 'tensors'],
      files.map((file) => [file.name, size(file.bytes), file.tensors]),
    ),
    ...(others.length > 0 ? ['', `Also: ${others.join(', ')}`] : []),
    ...notesOf({ notes }),
    '',
    `Dry run, nothing was written (${plural(tensors.length, 'tensor')}, ${size(bytes)}).`,
  ];
}

const notesOf = ({ notes }: Pick<ConvertPreview, 'notes'>): string[] => notes.map((note) => `Note: ${note}`);

function writtenLine({ out, tensors, files, bytes }: ConvertResult): string {
  const where = files.length > 1 ? ` in ${files.length} files` : '';
  return `Written: ${out} (${plural(tensors, 'tensor')}${where}, ${size(bytes)})`;
}
