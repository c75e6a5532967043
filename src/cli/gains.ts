import { basename, resolve } from 'node:path';
import { withGains } from '../ampq/gains';
import {
  errorKindOf,
  gainsEnding,
  gainsFileOf,
  gainsFor,
  parseGains,
  printGains,
  type ErrorKind,
} from '../ampq/gainsFile';
import { compareGains, type GainsTransfer } from '../ampq/gainsTransfer';
import { writeAtomically } from '../files/atomicFile';
import { openModel } from '../layouts/openModel';
import { QuantscopeError } from '../model/errors';
import { contentKey } from '../model/identity';
import { readJsonFile } from '../model/jsonFiles';
import type { ModelRef } from '../protocol/model';
import type { SensitivityTable } from '../protocol/plan';
import { plural } from '../protocol/words';
import {
  requiredOption,
  textOption,
  UsageError,
  valueOption,
  type Command,
  type CommandContext,
  type CommandResult,
} from './command';
import { checkOutputs } from './outputs';
import { measuringOptions, measuringParams } from './measuringOptions';
import { announce, measure } from './sensitivity';
import { figure, number, table } from './text';

const actions: Readonly<Record<string, (context: CommandContext) => Promise<CommandResult>>> = {
  export: exportGains,
  compare: compareWithFile,
};

/** Without those that say where gains come from, or that some are interpolated: all are measured. */
const options = Object.fromEntries(
  Object.entries(measuringOptions).filter(
    ([name]) => !['gains', 'weights-only', 'sample-blocks'].includes(name),
  ),
);

export const gainsCommand: Command = {
  name: 'gains',
  actions: Object.keys(actions),
  operand: 'MODEL',
  summary: 'Write the gains of a model to a file, or compare those of another model with them',
  options: {
    ...options,
    out: valueOption('P', `export: the ${gainsEnding} file to write`),
    with: valueOption('G', `compare: the ${gainsEnding} file of another model of the same shapes`),
  },
  keepsResults: true,
  run: (context) => actions[context.action ?? '']!(context),
};

async function exportGains(context: CommandContext): Promise<CommandResult> {
  if (textOption(context, 'with') !== undefined) throw new UsageError('--with is for gains compare.');
  const out = resolve(requiredOption(context, 'out'));
  if (!out.endsWith(gainsEnding)) throw new UsageError(`The name of --out must end with ${gainsEnding}.`);
  const params = measuringParams(context);
  const inputs = await checkOutputs(context, [out], [params.text, params.imatrix, params.optimised?.text]);
  await announce(context, params);
  const gains = gainsFileOf(await measure(context, params), await keyOf(context.model));
  await writeAtomically(out, (file) => file.write(Buffer.from(printGains(gains))), inputs);
  const { tensors, text, errors } = gains;
  const rows = tensors.map(({ tensor, format, error, divergence }) => [
    ...[tensor, number(divergence / error), number(divergence), format],
  ]);
  return {
    json: { out, gains },
    lines: [
      ...table(['tensor', 'gain', 'divergence', 'in'], rows),
      '',
      `Gains of ${plural(tensors.length, 'tensor')} over ${text.text}, for ${kindNames[errors]}.`,
      `Written: ${out}`,
    ],
  };
}

const kindNames: Readonly<Record<ErrorKind, string>> = {
  weights: 'errors of the weights',
  importance: 'errors weighted by an importance matrix',
  outputs: 'errors of the outputs with optimised codes',
};

async function compareWithFile(context: CommandContext): Promise<CommandResult> {
  if (textOption(context, 'out') !== undefined) throw new UsageError('--out is for gains export.');
  const file = resolve(requiredOption(context, 'with'));
  const params = measuringParams(context);
  const gains = parseGains((await readJsonFile(file)).value, file);
  await announce(context, params);
  const own = await measure(context, params);
  checkKind(own, gains.errors, file);
  const shapes = own.rows.map(({ tensor: name, shape }) => ({ name, shape }));
  const other = withGains(own, gainsFor(gains, shapes, await keyOf(context.model), file));
  const transfer = compareGains(own, other);
  return { json: { file, model: gains.model.name, ...transfer }, lines: transferLines(transfer, file) };
}

/** @throws QuantscopeError REQUEST for gains of another kind of errors. */
function checkKind(own: SensitivityTable, kind: ErrorKind, file: string): void {
  const measured = errorKindOf(own);
  if (measured === kind) return;
  const message = `These gains are for ${kindNames[kind]}, and this run measures ${kindNames[measured]}: choose the same with --codes and --imatrix.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

function transferLines({ ratio, spread, plans }: GainsTransfer, file: string): string[] {
  const rows = plans.map(({ bitsPerWeight, own, transferred, predicted }) => [
    ...[String(bitsPerWeight), number(own), number(transferred), percent(transferred / own - 1)],
    number(predicted),
  ]);
  return [
    `The gains of ${basename(file)} are ${figure(ratio)} times those of this model, and differ from that by a factor of ${figure(spread)} (one standard deviation). KL divergence of plans, nats per token:`,
    ...table(['bits/weight', 'own gains', 'other gains', 'more', 'other gains predict'], rows),
  ];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function keyOf(ref: ModelRef): Promise<string> {
  const model = await openModel(ref);
  try {
    return contentKey(model.description);
  } finally {
    await model.close();
  }
}
