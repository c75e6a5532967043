import { resolve } from 'node:path';
import { absolutePlace } from '../model/place';
import type { ProvenanceResult, UnprovenTensor } from '../protocol/provenance';
import { encodingText, provenanceSummary, statedTypeText, verdictText } from '../protocol/provenanceText';
import { plural, size } from '../protocol/words';
import { requiredOption, textOption, type CommandContext, type CommandResult } from './command';
import { count, table } from './text';

/** `verify GGUF --source MODEL`: whether a file is what it is said to be. */
export async function verifyAgainstSource(context: CommandContext): Promise<CommandResult> {
  const { model, jobs, signal, progress } = context;
  const imatrix = textOption(context, 'imatrix');
  const result = await jobs['model/verifySource'](
    {
      ...{ ...model, source: absolutePlace(requiredOption(context, 'source')) },
      ...(imatrix === undefined ? {} : { imatrix: resolve(imatrix) }),
    },
    { signal, progress },
  );
  const failure = result.isProven ? {} : { failure: `${provenanceSummary(result)} (${result.path})` };
  return { json: result, lines: describe(result), ...failure };
}

function describe(result: ProvenanceResult): string[] {
  const { proven, unproven, unprovenCount, fileType, keys, notes, seconds } = result;
  const groups = [...proven].sort((a, b) => b.bytes - a.bytes);
  const keyRows = keys.map(({ key, kind, matters }) => [key, kind, matters ? 'yes' : '']);
  return [
    ...(groups.length === 0
      ? []
      : table(
          ['type', 'tensors', 'size', 'bit for bit the source'],
          groups.map(({ type, tensors, bytes, encoding }) => [
            type,
            count(tensors),
            size(bytes),
            encodingText(type, encoding),
          ]),
        )),
    ...(unproven.length === 0
      ? []
      : [
          '',
          ...table(
            ['tensor', 'type', 'is', 'first difference', 'blocks', 'error', 'usual error'],
            unproven.map(rowOf),
          ),
        ]),
    ...(unprovenCount > unproven.length ? [`and ${unprovenCount - unproven.length} more`] : []),
    ...(keyRows.length === 0 ? [] : ['', ...table(['key', 'in the file', 'changes the model'], keyRows)]),
    '',
    statedTypeText(fileType),
    ...fileType.others
      .slice(0, 10)
      .map(({ tensor, type, expected }) => `  ${tensor}: ${type} instead of ${expected}`),
    ...(fileType.otherCount > 10 ? [`  and ${plural(fileType.otherCount - 10, 'other tensor')}`] : []),
    ...notes.map((note) => `Note: ${note}`),
    `${provenanceSummary(result)} ${seconds.toFixed(2)} s`,
  ];
}

function rowOf(unproven: UnprovenTensor): string[] {
  const { tensor, type, difference } = unproven;
  const head = [tensor, type, verdictText(unproven)];
  if (!difference) return [...head, unproven.message, '', '', ''];
  const { offset, row, differing, blocks, relativeError, encodedError } = difference;
  return [
    ...head,
    `byte ${count(offset)}, row ${count(row)}`,
    `${count(differing)} of ${count(blocks)}`,
    ...[relativeError, encodedError].map((error) => error.toPrecision(4)),
  ];
}
