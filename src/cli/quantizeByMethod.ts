import { resolve } from 'node:path';
import { QuantscopeError } from '../model/errors';
import type { ErrorMetrics } from '../protocol/analysis';
import { evidenceWords } from '../protocol/evidence';
import { biasSentence, type MethodResult } from '../protocol/methods';
import type { EvidenceKind } from '../protocol/recipe';
import { size } from '../protocol/words';
import {
  requiredOption,
  textOption,
  textOptions,
  UsageError,
  type CommandContext,
  type CommandResult,
} from './command';
import { calibrate } from './calibrate';
import { checkOutputs } from './outputs';
import { methodOptions } from './recipeOptions';
import { figure, fixed, table } from './text';

/** A tensor in a grid by a method; measured, and with --out written in a layout. */
export async function quantizeByMethod(context: CommandContext): Promise<CommandResult> {
  const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
  const [tensor, grid, method] = ['tensor', 'format', 'method'].map((name) =>
    requiredOption(context, name),
  ) as [...[string, string, string]];
  const options = methodOptions(textOptions(context, 'option'));
  const [out, layout] = [textOption(context, 'out'), textOption(context, 'layout')];
  if (out !== undefined && layout === undefined) throw new UsageError('--out needs --layout with --method.');
  if (out !== undefined) {
    const text = textOption(context, 'calibration');
    await checkOutputs(context, [resolve(out)], [text && resolve(text)]);
  }
  await calibrate(context);
  if (out !== undefined && layout !== undefined) {
    const written = await jobs['tensor/saveMethod'](
      { ...model, cacheDir, tensor, grid, method, options, layout, out: resolve(out) },
      { signal, progress },
    );
    const line = `Written: ${written.out} (${size(written.bytes)})`;
    return {
      json: { tensor, grid, method, layout, ...written },
      lines: [...errorLines(written.error), line],
    };
  }
  const { rows } = await jobs['tensor/lens'](
    { ...model, cacheDir, tensor, recipes: [{ grid, method }], options: { [method.toLowerCase()]: options } },
    { signal, progress },
  );
  const [row] = rows;
  if (row?.refused !== undefined) throw new QuantscopeError('REQUEST', row.refused, { tensor });
  if (row?.missing !== undefined)
    throw new QuantscopeError('REQUEST', missing(method, row.missing), { tensor });
  const result = withoutHistogram(row!.result!);
  return { json: { tensor, grid: row!.grid, method, ...result }, lines: resultLines(result) };
}

type Figures = Omit<MethodResult, 'histogram'>;

const withoutHistogram = ({ histogram: _histogram, ...figures }: MethodResult): Figures => figures;

const missing = (method: string, kind: EvidenceKind): string =>
  `${method} needs to know the inputs of the matrix (${evidenceWords[kind]}): give a text to run the model over (--calibration FILE).`;

function errorLines(error: ErrorMetrics): string[] {
  return table(
    ['MSE', 'relative error', 'SQNR dB', 'cosine', 'max error'],
    [
      [
        ...[figure(error.mse), figure(error.relativeError), fixed(error.sqnr, 2), fixed(error.cosine, 6)],
        figure(error.maxError),
      ],
    ],
  );
}

function resultLines({
  bytes,
  bitsPerWeight,
  error,
  outputError,
  evidence,
  bias,
  layouts,
}: Figures): string[] {
  return [
    ...errorLines(error),
    '',
    `${size(bytes)}, ${bitsPerWeight.toFixed(4)} bits per weight; evidence: ${evidenceWords[evidence]}.`,
    ...(outputError === undefined
      ? []
      : [
          `Relative error of the outputs for the inputs of the calibration text: ${figure(Math.sqrt(outputError))}.`,
        ]),
    ...(bias ? [biasSentence(bias)] : []),
    ...(layouts.length === 0 ? [] : [`Layouts that store it: ${layouts.map(({ id }) => id).join(', ')}.`]),
  ];
}
