import { absolutePlace } from '../model/place';
import type { ComparedTensor, ModelComparison, OtherModel } from '../protocol/compare';
import { adaptersOf, adaptersOption, loraOption } from './adapters';
import { countOption, flagOption, modelOption, textOption, UsageError } from './command';
import type { Command, CommandContext, CommandResult } from './command';
import { spectraResult } from './compareSpectra';
import { threeWayResult } from './compareThree';
import { figure, fixed, table } from './text';

const otherLora = (of: string) =>
  adaptersOption(`merge this LoRA adapter into the weights of ${of}, multiplied by WEIGHT`);

export const compareCommand: Command = {
  name: 'compare',
  operand: 'MODEL',
  second: 'OTHER',
  summary: 'Compare two models tensor by tensor, whatever their formats',
  moreOperands: 'A third model is named by --and: compare MODEL OTHER --and THIRD.',
  options: {
    limit: { type: 'string', value: 'N', help: 'show only the N worst tensors' },
    'fail-above': { type: 'string', value: 'E', help: 'exit with status 1 if the relative error is above E' },
    lora: loraOption,
    'other-lora': otherLora('OTHER'),
    and: modelOption('THIRD', 'compare THIRD with MODEL, too: which of both is closer to it'),
    'and-lora': otherLora('THIRD'),
    rank: flagOption('singular values of what changed in each matrix: is it of low rank, as a merged LoRA?'),
  },
  async run(context) {
    checkOptions(context);
    const other = otherOf(context);
    const limit = countOption(context, 'limit') ?? Infinity;
    const { model, jobs, signal, progress, options } = context;
    const third = textOption(context, 'and');
    if (third !== undefined) {
      const adapters = adaptersOf(options, 'and-lora');
      const three = { third: absolutePlace(third), ...(adapters ? { thirdAdapters: adapters } : {}) };
      const params = { ...model, ...other, ...three };
      return threeWayResult(await jobs['model/compareThree'](params, { signal, progress }), limit);
    }
    if (options['rank'] === true)
      return spectraResult(await jobs['model/spectra']({ ...model, ...other }, { signal, progress }), limit);
    return twoWay(context, other, limit);
  },
};

function otherOf({ other, options }: CommandContext): OtherModel {
  const adapters = adaptersOf(options, 'other-lora');
  return { other: other!, ...(adapters ? { otherAdapters: adapters } : {}) };
}

/** @throws UsageError for options that would be ignored. */
function checkOptions({ options }: CommandContext): void {
  const pairs = [
    ...(['rank', 'fail-above'] as const).map((option) => ['and', option] as const),
    ['rank', 'fail-above'] as const,
  ];
  for (const [one, another] of pairs)
    if (options[one] !== undefined && options[another] !== undefined)
      throw new UsageError(`--${one} and --${another} do not go together.`);
  if (options['and-lora'] !== undefined && options['and'] === undefined)
    throw new UsageError('--and-lora is of the model that --and names.');
}

async function twoWay(context: CommandContext, other: OtherModel, limit: number): Promise<CommandResult> {
  const { model, jobs, signal, progress } = context;
  const bound = boundOf(context);
  const result = await jobs['model/compare']({ ...model, ...other }, { signal, progress });
  const rows = result.tensors.slice(0, limit).map(rowOf);
  const head = ['tensor', 'A', 'B', 'relative error', 'SQNR dB', 'cosine', 'max error', ''];
  const failed = bound !== undefined && !(worstOf(result) <= bound);
  return {
    json: result,
    lines: [...table(head, rows), '', ...summary(result)],
    ...(failed ? { failure: `The models differ by more than ${bound}.` } : {}),
  };
}

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
