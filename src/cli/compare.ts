import type { ComparedTensor, ModelComparison } from '../protocol/compare';
import { loraOption } from './adapters';
import { countOption, textOption, UsageError, type Command, type CommandContext } from './command';
import { figure, fixed, table } from './text';

export const compareCommand: Command = {
  name: 'compare',
  operand: 'MODEL',
  second: 'OTHER',
  summary: 'Compare two models tensor by tensor, whatever their formats',
  options: {
    limit: { type: 'string', value: 'N', help: 'show only the N worst tensors' },
    'fail-above': { type: 'string', value: 'E', help: 'exit with status 1 if the relative error is above E' },
    lora: loraOption,
  },
  async run(context) {
    const { model, other, jobs, signal, progress } = context;
    const bound = boundOf(context);
    const result = await jobs['model/compare']({ ...model, other: other! }, { signal, progress });
    const limit = countOption(context, 'limit') ?? result.tensors.length;
    const rows = result.tensors.slice(0, limit).map(rowOf);
    const head = ['tensor', 'A', 'B', 'relative error', 'SQNR dB', 'cosine', 'max error', ''];
    const failed = bound !== undefined && !(worstOf(result) <= bound);
    return {
      json: result,
      lines: [...table(head, rows), '', ...summary(result)],
      ...(failed ? { failure: `The models differ by more than ${bound}.` } : {}),
    };
  },
};

function boundOf(context: CommandContext): number | undefined {
  const text = textOption(context, 'fail-above');
  if (text === undefined) return undefined;
  const bound = Number(text);
  if (text.trim() === '' || !(bound >= 0))
    throw new UsageError(`--fail-above takes a number of at least 0, not "${text}".`);
  return bound;
}

/** Models that lack tensors of each other, or have them in other shapes, exceed any bound. */
function worstOf({ relativeError, counts }: ModelComparison): number {
  const odd =
    counts.shape + counts['not finite'] + counts['only in A'] + counts['only in B'] + counts.unreadable;
  return odd > 0 ? Infinity : relativeError;
}

function rowOf({ name, a, b, error, status }: ComparedTensor): string[] {
  const [dtypeA, dtypeB] = [a?.dtype ?? '–', b?.dtype ?? '–'];
  if (!error) {
    const shapes = status === 'shape' ? ` [${a?.shape.join(', ')}] and [${b?.shape.join(', ')}]` : '';
    return [name, dtypeA, dtypeB, '', '', '', '', `${status}${shapes}`];
  }
  const { relativeError, sqnr, cosine, maxError } = error;
  const note = status === 'equal' ? 'equal' : '';
  return [
    name,
    dtypeA,
    dtypeB,
    figure(relativeError),
    figure(sqnr),
    fixed(cosine, 6),
    figure(maxError),
    note,
  ];
}

function summary({ a, b, translated, notes, relativeError, counts }: ModelComparison): string[] {
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  return [
    `A: ${a}`,
    `B: ${b}${translated ? ' (matched by their names in GGUF)' : ''}`,
    `${parts.map(([status, count]) => `${count} ${status}`).join(', ')}; relative error of all weights ${figure(relativeError)}`,
    ...notes,
  ];
}
