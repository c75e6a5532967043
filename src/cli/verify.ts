import { basename, resolve } from 'node:path';
import type { Fault, VerifyResult } from '../protocol/verify';
import { blockRange, byteRange } from '../protocol/verifyText';
import { plural, size } from '../protocol/words';
import { flagOption, textOption, UsageError, valueOption, type Command } from './command';
import { count, table } from './text';

export const verifyCommand: Command = {
  name: 'verify',
  operand: 'MODEL',
  summary: 'Check the files of a model against the digests that were written with them',
  options: {
    quick: flagOption('check sizes and headers only; read no weights'),
    plan: valueOption('P', '.ampq.json plan whose types the tensors are to have'),
  },
  async run(context) {
    const { model, jobs, signal, progress, options } = context;
    const plan = textOption(context, 'plan');
    const isQuick = options['quick'] === true;
    if (isQuick && plan !== undefined) throw new UsageError('--quick and --plan are mutually exclusive.');
    const planned = plan === undefined ? {} : { planFile: resolve(plan) };
    const result = isQuick
      ? await jobs['model/verifyHeaders'](model, { signal, progress })
      : await jobs['model/verify']({ ...model, ...planned }, { signal, progress });
    const failure = failureOf(result);
    return { json: result, lines: describe(result), ...(failure === undefined ? {} : { failure }) };
  },
};

function describe(result: VerifyResult): string[] {
  const { files, faults, omitted, notes, tensors, checkedBytes, seconds } = result;
  const digests = { checked: 'checked', missing: 'none', unusable: 'unusable' };
  const rows = files.map((file) => [
    ...[basename(file.file), size(file.bytes), count(file.tensors), digests[file.digests]],
    file.source ?? '',
  ]);
  return [
    ...table(['file', 'size', 'tensors', 'digests', 'made of'], rows),
    ...(faults.length === 0
      ? []
      : ['', ...table(['file', 'tensor', 'fault', 'bytes', 'blocks'], faults.map(rowOf))]),
    ...(omitted === 0 ? [] : [`and ${omitted} more`]),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `Note: ${note}`)]),
    '',
    `${plural(tensors, 'tensor')}, ${size(checkedBytes)} read in ${seconds.toFixed(2)} s: ${
      faults.length === 0 ? 'nothing wrong was found.' : `${plural(faults.length + omitted, 'fault')}.`
    }`,
  ];
}

const rowOf = (fault: Fault): string[] => [
  ...[basename(fault.file), fault.tensor ?? '', fault.message],
  ...[byteRange(fault), blockRange(fault)],
];

/** Why the exit status is that of a failure. */
function failureOf({ faults, omitted, damaged, path }: VerifyResult): string | undefined {
  if (faults.length === 0) return undefined;
  const shown = damaged.slice(0, 3).join(', ');
  const names = damaged.length > 3 ? `${shown} and ${damaged.length - 3} more` : shown;
  const of = names === '' ? '' : ` in ${names}`;
  return `${plural(faults.length + omitted, 'fault')}${of} (${path}).`;
}
