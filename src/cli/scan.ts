import { resolve } from 'node:path';
import { writeAtomically } from '../files/atomicFile';
import { csvText, type DataColumn } from '../protocol/dataTable';
import { scanFigureNames, scanSigma, type ModelScan } from '../protocol/modelScan';
import { notKeptNote } from '../protocol/tableNotes';
import { loraOption } from './adapters';
import { textOption, valueOption, type Command } from './command';
import { checkOutputs } from './outputs';
import { sayDownload } from './sayDownload';
import { count, figure, table } from './text';

export const scanCommand: Command = {
  name: 'scan',
  operand: 'MODEL',
  summary: 'Show figures of every tensor of a model; a run that was stopped continues',
  options: {
    format: valueOption('F', 'also the relative error of each tensor in this format'),
    csv: valueOption('FILE', 'write the figures to this CSV file'),
    lora: loraOption,
  },
  keepsResults: true,
  async run(context) {
    const { model, jobs, signal, progress, note, cacheDir } = context;
    const format = textOption(context, 'format');
    const csv = textOption(context, 'csv');
    const out = csv === undefined ? undefined : resolve(csv);
    const inputs = out === undefined ? undefined : await checkOutputs(context, [out]);
    const params = { ...model, cacheDir, ...(format === undefined ? {} : { format }) };
    await sayDownload(context);
    const scan = await jobs['model/scan'](params, { signal, progress });
    if (scan.notKept !== undefined) note(`Note: ${notKeptNote(scan.notKept)}`);
    if (out !== undefined && inputs)
      await writeAtomically(out, (file) => file.write(Buffer.from(csvOf(scan, model.path))), inputs);
    return {
      json: { ...scan, ...(out === undefined ? {} : { out }) },
      lines: [...tableLines(scan), ...(out === undefined ? [] : ['', `Written: ${out}`])],
    };
  },
};

function tableLines({ names, figures, error }: ModelScan): string[] {
  const head = [
    'tensor',
    'max |w|',
    'RMS',
    'kurtosis',
    `beyond ${scanSigma} σ`,
    'zeros',
    'dead rows',
    'dead columns',
  ];
  const rows = names.map((name, i) => [
    ...[name, figure(figures.absMax[i]!), figure(figures.rms[i]!), figure(figures.kurtosis[i]!)],
    ...[figure(figures.outlierShare[i]!), count(figures.zeros[i]!)],
    ...[figure(figures.deadRows[i]!), figure(figures.deadColumns[i]!)],
    ...(error ? [figure(error.relative[i]!)] : []),
  ]);
  return [
    ...table([...head, ...(error ? [`error in ${error.format}`] : [])], rows),
    ...notFinite({ names, figures }),
  ];
}

/** Tensors with weights that are not finite: they are rare, and matter. */
function notFinite({ names, figures: { nans, infinities } }: Pick<ModelScan, 'names' | 'figures'>): string[] {
  const bad = names.flatMap((name, i) =>
    nans[i]! + infinities[i]! > 0 ? [[name, nans[i]!, infinities[i]!]] : [],
  );
  return bad.length === 0 ? [] : ['', ...table(['not finite', 'NaN', 'infinite'], bad)];
}

function csvOf({ names, figures, error }: ModelScan, path: string): string {
  const columns: DataColumn[] = [
    { name: 'tensor', values: names },
    ...scanFigureNames.map((name) => ({ name, values: figures[name] })),
    ...(error ? [{ name: `relativeError ${error.format}`, values: error.relative }] : []),
  ];
  return csvText({ title: 'Scan', about: [path], columns });
}
