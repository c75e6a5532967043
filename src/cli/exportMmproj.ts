import { resolve } from 'node:path';
import { mmprojTypes, usualMmprojType, type MmprojPreview } from '../protocol/mmproj';
import { size } from '../protocol/words';
import { choiceOption, flagOption, textOption, UsageError, valueOption, type Command } from './command';
import { table } from './text';

export const exportMmprojCommand: Command = {
  name: 'export-mmproj',
  operand: 'MODEL',
  summary: 'Write the vision part of a multimodal checkpoint as an mmproj file for llama.cpp',
  options: {
    type: valueOption('T', `type of matrices: ${mmprojTypes.join(', ')} (default: ${usualMmprojType})`),
    out: valueOption('F', '.gguf file to write (optional with --dry-run)'),
    'dry-run': flagOption('write nothing; show the type of each tensor, and why'),
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const [type, out] = [choiceOption(context, 'type', mmprojTypes), textOption(context, 'out')];
    const settings = { ...model, ...(type === undefined ? {} : { type }) };
    if (context.options['dry-run'] === true) {
      const target = out === undefined ? {} : { out: resolve(out) };
      const preview = await jobs['mmproj/preview']({ ...settings, ...target }, { signal, progress });
      const lines = [...describe(preview), '', `Dry run, nothing was written (${totals(preview)}).`];
      return { json: preview, lines };
    }
    if (out === undefined) throw new UsageError('--out is missing.');
    const result = await jobs['mmproj/export']({ ...settings, out: resolve(out) }, { signal, progress });
    const summary = `${totals(result)}, ${result.seconds.toFixed(2)} s`;
    return { json: result, lines: [...describe(result), '', `Written: ${result.out} (${summary})`] };
  },
};

function describe({ tensors, notes }: MmprojPreview): string[] {
  const rows = tensors.map(({ name, from, to, bytes, reason }) => [name, from, to, size(bytes), reason]);
  return [
    ...table(['tensor', 'from', 'to', 'size', 'why'], rows),
    ...notes.flatMap((note) => ['', `Note: ${note}`]),
  ];
}

const totals = ({ projector, bytes }: MmprojPreview): string => `${projector}, ${size(bytes)}`;
