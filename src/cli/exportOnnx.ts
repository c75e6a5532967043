import { resolve } from 'node:path';
import { weightForms } from '../exporter/onnx/weightForms';
import { inputRanges, type OnnxPreview, type OnnxSettings } from '../protocol/exportOnnx';
import { size } from '../protocol/words';
import { loraOption } from './adapters';
import {
  listOption,
  choiceOption,
  countOption,
  requiredOption,
  textOption,
  textOptions,
  UsageError,
  type Command,
  type CommandContext,
  flagOption,
  valueOption,
} from './command';
import { runOptions } from './runOptions';
import { deviceOption } from './device';
import { table } from './text';

export const exportOnnxCommand: Command = {
  name: 'export-onnx',
  operand: 'MODEL',
  summary: 'Export a model, or some of its layers, as ONNX',
  keepsResults: true,
  options: {
    weights: { ...valueOption('W', weightForms.map(({ id }) => id).join(', ')), required: true },
    out: valueOption('DIR', 'folder to write into (optional with --dry-run)'),
    'dry-run': flagOption('write nothing; show how each tensor is stored'),
    method: valueOption('M', 'method that finds codes: rtn, gptq… (default: rtn)'),
    'block-size': valueOption('N', 'weights that share a scale'),
    asymmetric: flagOption('codes with zero points'),
    floats: valueOption('T', 'F32, F16 or BF16: weights that are not quantized (default: F32)'),
    'quantize-output': flagOption('quantize the output matrix too'),
    external: flagOption('keep weights in a file of their own even where all fits into one of 2 GB'),
    'no-past': flagOption('no inputs and outputs of keys and values of earlier tokens'),
    'transformers-js': flagOption('name files as transformers.js looks for them: onnx/model_q4.onnx'),
    positions: valueOption('N', 'tokens of the longest text (default: context length of the model)'),
    'accuracy-level': valueOption(
      'N',
      'arithmetic of MatMulNBits: 1 float32 to 4 int8 (default: the runtime chooses)',
    ),
    layer: listOption('NAME', 'write only this matrix, as a model of its own'),
    lora: loraOption,
    calibration: valueOption('F', 'UTF-8 text to run the model over, for gptq, static-int8 and tensorrt-…'),
    'input-range': valueOption('R', `${inputRanges.join(', ')}: how ranges follow from it (default: minmax)`),
    device: runOptions['device']!,
    threads: runOptions['threads']!,
  },
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const settings = settingsOf(context);
    const out = textOption(context, 'out');
    if (context.options['dry-run'] === true) {
      const target = out === undefined ? {} : { out: resolve(out) };
      const preview = await jobs['export/onnxPreview'](
        { ...model, ...settings, ...target },
        { signal, progress },
      );
      const lines = [...describe(preview), '', `Dry run, nothing was written (${totals(preview)}).`];
      return { json: preview, lines };
    }
    if (out === undefined) throw new UsageError('--out is missing.');
    const threads = countOption(context, 'threads');
    const result = await jobs['export/onnx'](
      {
        ...{ ...model, ...settings, out: resolve(out), device: deviceOption(context), cacheDir },
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    const summary = `${totals(result)}, ${result.seconds.toFixed(2)} s`;
    return { json: result, lines: [...describe(result), '', `Written: ${result.out} (${summary})`] };
  },
};

function settingsOf(context: CommandContext): OnnxSettings {
  const is = (name: string) => context.options[name] === true;
  const [floats, method] = ['floats', 'method'].map((name) => textOption(context, name));
  const calibration = textOption(context, 'calibration');
  const layers = textOptions(context, 'layer');
  const inputRange = choiceOption(context, 'input-range', inputRanges);
  const counts = {
    blockSize: countOption(context, 'block-size'),
    positions: countOption(context, 'positions'),
    accuracyLevel: countOption(context, 'accuracy-level'),
  };
  return {
    weights: requiredOption(context, 'weights'),
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== undefined)),
    ...(is('asymmetric') ? { asymmetric: true } : {}),
    ...(floats === undefined ? {} : { floats }),
    ...(method === undefined ? {} : { method }),
    ...(is('quantize-output') ? { quantizeOutput: true } : {}),
    ...(is('external') ? { external: true } : {}),
    ...(is('no-past') ? { withoutPast: true } : {}),
    ...(is('transformers-js') ? { transformersJs: true } : {}),
    ...(layers.length === 0 ? {} : { layers }),
    ...(calibration === undefined ? {} : { text: resolve(calibration) }),
    ...(inputRange === undefined ? {} : { inputRange }),
  };
}

function describe({ tensors, files, notes }: OnnxPreview): string[] {
  return [
    ...table(
      ['tensor', 'from', 'to', 'size'],
      tensors.map(({ name, from, to, bytes }) => [name, from, to, size(bytes)]),
    ),
    '',
    ...table(
      ['file', 'size'],
      files.map(({ name, bytes }) => [name, size(bytes)]),
    ),
    ...notes.flatMap((note) => ['', `Note: ${note}`]),
  ];
}

function totals({ fileBytes, bitsPerWeight }: OnnxPreview): string {
  return `${size(fileBytes)}, ${bitsPerWeight.toFixed(3)} bits per weight`;
}
