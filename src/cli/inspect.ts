import { loraOption } from './adapters';
import type { Command } from './command';
import { count, table } from './text';
import { dangerLine, dangerTitle } from '../protocol/dangerText';
import { limitNote } from '../protocol/limitNote';
import type { ModelDescription } from '../protocol/model';
import { identityLines, type ModelIdentity } from '../protocol/overview';
import { printable } from '../protocol/printable';
import { plural, size } from '../protocol/words';
import { tabled } from '../protocol/tensorTable';

export const inspect: Command = {
  name: 'inspect',
  operand: 'MODEL',
  summary: 'List the tensors and metadata of a model; reads headers only',
  options: { metadata: { type: 'boolean', help: 'list the metadata as well' }, lora: loraOption },
  async run({ model: ref, jobs, signal, progress, options }) {
    const model = tabled(await jobs['model/open'](ref, { signal, progress }));
    const limits = await jobs['model/limits'](ref, { signal, progress });
    const identity = await jobs['model/overview'](ref, { signal, progress });
    const tensors = table(
      ['tensor', 'dtype', 'shape', 'weights', 'size', 'bits/weight'],
      model.tensors.map((tensor) => [
        tensor.name,
        tensor.dtype,
        `[${tensor.shape.join(', ')}]`,
        count(tensor.elements),
        size(tensor.byteLength),
        tensor.elements === 0 ? '' : ((8 * tensor.byteLength) / tensor.elements).toFixed(2),
      ]),
    );
    const metadata = table(
      ['key', 'type', 'value'],
      model.metadata.map((entry) => [entry.key, entry.type, entry.text.slice(0, 80)]),
    );
    const version = model.version === undefined ? '' : ` v${model.version}`;
    const { present, total } = model.weightFiles;
    const known = present < total ? ` in ${present} of ${total} files (the others are missing)` : '';
    const about = `${model.format}${version}, ${model.architecture ?? 'unknown architecture'}, ${plural(model.tensors.length, 'tensor')}, ${plural(model.parameters, 'parameter')}, ${size(model.dataBytes)}${known}`;
    const warnings = model.warnings.map((warning) => `Warning: ${warning}`);
    const notes = [...model.notes, limitNote(limits)].filter((note) => note !== undefined);
    return {
      json: { ...model, ...(Object.keys(limits).length > 0 ? { limits } : {}), identity },
      lines: [
        `${model.name}: ${model.path}`,
        about,
        ...dangerLines(model),
        ...warnings,
        ...notes.map((note) => `Note: ${note}`),
        '',
        ...identityText(identity),
        '',
        ...tensors,
        ...(options['metadata'] === true ? ['', ...metadata] : []),
      ],
    };
  },
};

/** What the model is, one number a line. */
function identityText(identity: ModelIdentity): string[] {
  const lines = identityLines(identity);
  const width = lines.reduce((most, { label }) => Math.max(most, label.length), 0);
  return lines.map(({ label, text }) => `${label.padEnd(width)}  ${printable(text)}`);
}

function dangerLines(model: ModelDescription): string[] {
  const title = dangerTitle(model);
  if (title === undefined) return [];
  return [
    '',
    `DANGER: ${title}`,
    ...(model.dangers ?? []).map((danger) => `DANGER: ${dangerLine(danger)}`),
    '',
  ];
}
