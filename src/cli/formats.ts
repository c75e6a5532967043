import type { Command } from './command';
import { table } from './text';

export const formatsCommand: Command = {
  name: 'formats',
  summary: 'List the formats of quantize, sensitivity and eval',
  options: {},
  async run({ jobs, signal, progress }) {
    const formats = await jobs['formats/list']({}, { signal, progress });
    const rows = formats.map((format) => [
      format.id,
      format.nominalBitsPerWeight.toFixed(4),
      format.description,
    ]);
    return { json: formats, lines: table(['format', 'bits/weight', 'what is stored'], rows) };
  },
};
