import { evidenceWords } from '../protocol/evidence';
import type { LensRecipe, LensRow, MethodChoices } from '../protocol/lens';
import type { MethodResult } from '../protocol/methods';
import { decisiveError, paretoFront } from '../protocol/pareto';
import type { EvidenceKind } from '../protocol/recipe';
import { plural, size, timeTaken } from '../protocol/words';
import { methodById } from '../quant/methods/methods';
import { loraOption } from './adapters';
import { calibrate, calibrationOptions } from './calibrate';
import {
  choiceOption,
  flagOption,
  listOption,
  requiredOption,
  textOption,
  textOptions,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { figure, fixed, table } from './text';

type Measured = LensRow & { readonly result: MethodResult };

/** Orders of the table. Of equal rows the smaller one, then the better one is first. */
const orders: Readonly<Record<string, (result: MethodResult) => number>> = {
  bits: ({ bitsPerWeight }) => bitsPerWeight,
  error: decisiveError,
  mse: ({ error }) => error.mse,
  max: ({ error }) => error.maxError,
  time: ({ seconds }) => seconds,
};

export const lensCommand: Command = {
  name: 'lens',
  operand: 'MODEL',
  summary: 'Compare what a tensor loses by every recipe: grids and GGUF types by methods',
  keepsResults: true,
  options: {
    tensor: { type: 'string', value: 'NAME', help: 'name of the tensor', required: true },
    grid: listOption('G', 'a grid or GGUF type, in place of the usual ones'),
    method: listOption('M', 'methods that find the codes: rtn, gptq, awq…'),
    all: flagOption('every known grid by every method that takes it, not only the usual ones'),
    pareto: flagOption('only recipes that no other one beats in bits and error'),
    sort: valueOption('O', `order: ${Object.keys(orders).join(', ')} (default: bits)`),
    ...calibrationOptions,
    lora: loraOption,
  },
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const tensor = requiredOption(context, 'tensor');
    const order = choiceOption(context, 'sort', Object.keys(orders)) ?? 'bits';
    const recipes = chosenRecipes(context, await jobs['methods/list']({}, { signal, progress }));
    await calibrate(context);
    const lens = await jobs['tensor/lens']({ ...model, cacheDir, tensor, recipes }, { signal, progress });
    const front = new Set<LensRow>(paretoFront(lens.rows));
    const measured = lens.rows.filter((row): row is Measured => row.result !== undefined);
    const shown = context.options['pareto'] === true ? measured.filter((row) => front.has(row)) : measured;
    const rows = sorted(shown, orders[order]!);
    const { evidence, sourceBytes } = lens;
    return {
      json: {
        ...{ tensor, sourceBytes, ...(evidence ? { evidence } : {}) },
        rows: rows.map((row) => jsonOf(row, front.has(row))),
        without: lens.rows.filter(({ result }) => !result),
      },
      lines: [...tableOf(rows, front), '', ...notesOf(lens.rows)],
    };
  },
};

/**
 * Grids and methods that were named, those of everything, or the usual recipes.
 * @throws UsageError for options that exclude each other, QuantscopeError REQUEST for a method that is not known.
 */
function chosenRecipes(context: CommandContext, { grids, usual, methods }: MethodChoices): LensRecipe[] {
  const named = textOptions(context, 'grid');
  const by = [...new Set(textOptions(context, 'method').map((name) => methodById(name).id))];
  const all = context.options['all'] === true;
  if (all && named.length > 0) throw new UsageError('--all and --grid exclude each other.');
  if (textOption(context, 'calibration') === undefined)
    for (const name of ['tokens', 'context'])
      if (textOption(context, name) !== undefined) throw new UsageError(`--${name} needs --calibration.`);
  if (named.length > 0) {
    const ids = by.length > 0 ? by : methods.map(({ id }) => id);
    return named.flatMap((grid) => ids.map((method) => ({ grid, method })));
  }
  if (all || by.length > 0) {
    const known = new Set(usual.map(({ grid }) => grid));
    const listed = all ? grids : grids.filter(({ name }) => known.has(name));
    return (by.length > 0 ? by : methods.map(({ id }) => id)).flatMap((method) => recipesBy(method, listed));
  }
  return [...usual];
}

/** The grids that a method takes. One that takes none is tried with all: the refusals say why. */
function recipesBy(method: string, grids: MethodChoices['grids']): LensRecipe[] {
  const taken = grids.filter(({ methods }) => methods.includes(method));
  return (taken.length > 0 ? taken : grids).map(({ name: grid }) => ({ grid, method }));
}

function sorted(rows: readonly Measured[], figureOf: (result: MethodResult) => number): Measured[] {
  const keys = [figureOf, orders['bits']!, decisiveError];
  return [...rows].sort(({ result: a }, { result: b }) =>
    keys.reduce((order, key) => order || key(a) - key(b), 0),
  );
}

const jsonOf = (
  { grid, method, result: { histogram: _histogram, ...figures } }: Measured,
  isOnFront: boolean,
) => ({ grid, method, pareto: isOnFront, ...figures });

function tableOf(rows: readonly Measured[], front: ReadonlySet<LensRow>): string[] {
  const hasOutputs = rows.some(({ result }) => result.outputError !== undefined);
  const head = [
    ...['recipe', 'method', 'front', 'bits/weight', 'size', 'MSE', 'relative error', 'SQNR dB'],
    ...['cosine', 'max error', ...(hasOutputs ? ['output error'] : []), 'time', 'evidence'],
  ];
  return table(
    head,
    rows.map((row) => cellsOf(row, front.has(row), hasOutputs)),
  );
}

function cellsOf({ grid, method, result }: Measured, isOnFront: boolean, hasOutputs: boolean): string[] {
  const { error, outputError } = result;
  const outputs = outputError === undefined ? '–' : figure(Math.sqrt(outputError));
  return [
    ...[grid, method, isOnFront ? '●' : '', result.bitsPerWeight.toFixed(4), size(result.bytes)],
    ...[figure(error.mse), figure(error.relativeError), fixed(error.sqnr, 2), fixed(error.cosine, 6)],
    ...[figure(error.maxError), ...(hasOutputs ? [outputs] : [])],
    ...[timeTaken(result.seconds), evidenceWords[result.evidence]],
  ];
}

/** What was not measured, and why. */
function notesOf(rows: readonly LensRow[]): string[] {
  const missing = new Map<EvidenceKind, number>();
  for (const row of rows) if (row.missing) missing.set(row.missing, (missing.get(row.missing) ?? 0) + 1);
  const adds = [...missing].map(([kind, count]) => `${plural(count, 'recipe')} by ${evidenceWords[kind]}`);
  return [
    '● front: no other recipe has as few bits and a smaller error.',
    ...(adds.length > 0 ? [`A text to calibrate on (--calibration FILE) adds ${adds.join(', ')}.`] : []),
    ...rows.flatMap(({ grid, method, refused }) =>
      refused === undefined ? [] : [`Not ${grid} by ${method}: ${refused}`],
    ),
  ];
}
