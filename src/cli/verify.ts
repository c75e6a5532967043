import { basename, resolve } from 'node:path';
import { absolutePlace } from '../model/place';
import type { Fault, VerifyResult } from '../protocol/verify';
import { blockRange, byteRange } from '../protocol/verifyText';
import { plural, size } from '../protocol/words';
import {
  flagOption,
  requiredOption,
  textOption,
  UsageError,
  modelOption,
  valueOption,
  type Command,
  type CommandContext,
  type CommandResult,
} from './command';
import { adaptersOption } from './adapters';
import { count, table } from './text';
import { verifyAgainstSource } from './verifySource';

export const verifyCommand: Command = {
  name: 'verify',
  operand: 'MODEL',
  summary: 'Check the files of a model against their digests, or a GGUF file against its source',
  options: {
    quick: flagOption('check sizes and headers only; read no weights'),
    plan: valueOption('P', '.ampq.json plan whose types the tensors are to have'),
    repair: valueOption('DIR', 'write the damaged files into this folder, their damaged tensors made again'),
    source: modelOption(
      'MODEL',
      'model that the files were made of: compare with an encoding of it, tensor by tensor',
    ),
    imatrix: valueOption('F', 'importance matrix that they were made with, for --source'),
    lora: adaptersOption('LoRA adapter that was merged into the source (weight: 1 by default)'),
  },
  keepsResults: ({ repair }) => repair !== undefined,
  async run(context) {
    if (context.options['repair'] !== undefined) return repair(context);
    const { model, jobs, signal, progress, options } = context;
    const plan = textOption(context, 'plan');
    const isQuick = options['quick'] === true;
    if (options['source'] !== undefined) {
      if (isQuick || plan !== undefined) throw new UsageError('--quick and --plan do not go with --source.');
      return verifyAgainstSource(context);
    }
    for (const name of ['imatrix', 'lora'])
      if (options[name] !== undefined) throw new UsageError(`--${name} is for --source.`);
    if (isQuick && plan !== undefined) throw new UsageError('--quick and --plan are mutually exclusive.');
    const planned = plan === undefined ? {} : { planFile: resolve(plan) };
    const result = isQuick
      ? await jobs['model/verifyHeaders'](model, { signal, progress })
      : await jobs['model/verify']({ ...model, ...planned }, { signal, progress });
    const failure = failureOf(result);
    return { json: result, lines: describe(result), ...(failure === undefined ? {} : { failure }) };
  },
};

/** Makes damaged tensors again. */
async function repair(context: CommandContext): Promise<CommandResult> {
  const { model, jobs, signal, progress, evaluationDir: cacheDir, options } = context;
  if (options['quick'] === true || options['plan'] !== undefined)
    throw new UsageError('--quick and --plan do not go with --repair.');
  const imatrix = textOption(context, 'imatrix');
  const result = await jobs['model/repair'](
    {
      ...{ ...model, cacheDir, out: resolve(requiredOption(context, 'repair')) },
      source: absolutePlace(requiredOption(context, 'source')),
      ...(imatrix === undefined ? {} : { imatrix: resolve(imatrix) }),
    },
    { signal, progress },
  );
  const rows = result.files.flatMap(({ file, tensors }) => tensors.map((tensor) => [basename(file), tensor]));
  const lines =
    result.files.length === 0
      ? ['Nothing is damaged, nothing was written.']
      : [
          ...(rows.length === 0 ? [] : [...table(['file', 'made again'], rows), '']),
          ...result.files.map(({ file }) => `Written: ${file}`),
        ];
  return { json: result, lines };
}

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
