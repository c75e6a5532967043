import { resolve } from 'node:path';
import type { FormatError } from '../protocol/analysis';
import { QuantscopeError } from '../model/errors';
import { size } from '../protocol/words';
import { loraOption } from './adapters';
import { calibrationOptions } from './calibrate';
import { listOption, requiredOption, textOption, UsageError, type Command } from './command';
import { quantizeByMethod } from './quantizeByMethod';
import { figure, fixed, table } from './text';

export const quantize: Command = {
  name: 'quantize',
  operand: 'MODEL',
  summary: 'Measure error and size of a tensor in a format or, by a method, in a grid; --out writes it',
  keepsResults: ({ method }) => method !== undefined,
  options: {
    tensor: { type: 'string', value: 'NAME', help: 'name of the tensor', required: true },
    format: {
      type: 'string',
      value: 'F',
      help: 'id of the format (see quantscope formats); with --method a grid such as int4-g128',
      required: true,
    },
    method: { type: 'string', value: 'M', help: 'method that finds the codes: rtn, gptq, awq…' },
    option: listOption('NAME=VALUE', 'set an option of the method'),
    layout: { type: 'string', value: 'L', help: 'layout that --out is written in, with --method' },
    out: { type: 'string', value: 'X', help: 'the .safetensors file to write' },
    ...calibrationOptions,
    lora: loraOption,
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const tensor = requiredOption(context, 'tensor');
    const format = requiredOption(context, 'format');
    if (textOption(context, 'method') !== undefined) return quantizeByMethod(context);
    for (const name of ['calibration', 'layout'])
      if (textOption(context, name) !== undefined) throw new UsageError(`--${name} needs --method.`);
    const out = textOption(context, 'out');
    if (out === undefined) {
      const { formats, refused } = await jobs['tensor/compare'](
        { ...model, tensor, formats: [format] },
        { signal, progress },
      );
      if (refused[0]) throw new QuantscopeError('REQUEST', refused[0].reason, { file: model.path, tensor });
      return { json: { tensor, ...withoutHistogram(formats[0]!) }, lines: errorTable(tensor, formats[0]!) };
    }
    const result = await jobs['tensor/quantize'](
      { ...model, choices: [{ tensor, format }], out: resolve(out) },
      { signal, progress },
    );
    const measured = result.tensors[0]!.result;
    return {
      json: { tensor, out: result.out, fileBytes: result.bytes, ...withoutHistogram(measured) },
      lines: [...errorTable(tensor, measured), '', `Written: ${result.out} (${size(result.bytes)})`],
    };
  },
};

function withoutHistogram({ format, bytes, bitsPerWeight, error }: FormatError) {
  return { format, bytes, bitsPerWeight, error };
}

function errorTable(tensor: string, { format, bytes, bitsPerWeight, error }: FormatError): string[] {
  return table(
    ['tensor', 'format', 'size', 'bits/weight', 'MSE', 'relative error', 'SQNR dB', 'cosine', 'max error'],
    [
      [
        ...[
          tensor,
          format,
          size(bytes),
          bitsPerWeight.toFixed(4),
          figure(error.mse),
          figure(error.relativeError),
        ],
        ...[fixed(error.sqnr, 2), fixed(error.cosine, 6), figure(error.maxError)],
      ],
    ],
  );
}
