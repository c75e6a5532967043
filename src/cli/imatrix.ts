import { resolve } from 'node:path';
import { preciseText } from '../protocol/figures';
import { plural, size } from '../protocol/words';
import { loraOption } from './adapters';
import { countOption, requiredOption, textOption, UsageError, type Command } from './command';
import { memoryOf, runOptions, windowOptions, windowsOf } from './runOptions';
import { deviceOption } from './device';
import { number } from './text';

export const imatrixCommand: Command = {
  name: 'imatrix',
  operand: 'MODEL',
  summary: 'Compute an importance matrix from a text',
  options: {
    text: {
      type: 'string',
      value: 'F',
      help: 'UTF-8 text similar to what the model is used for',
      required: true,
    },
    out: { type: 'string', value: 'X', help: 'the .gguf or .dat file to write', required: true },
    'process-output': { type: 'boolean', help: 'include the output matrix' },
    statistics: {
      type: 'string',
      value: 'F',
      help: 'write mean, mean square and largest magnitude of each input channel to this .safetensors file',
    },
    hessians: {
      type: 'string',
      value: 'D',
      help: 'write XᵀX of the inputs of each matrix to this folder, as .safetensors files',
    },
    lora: loraOption,
    ...windowOptions,
    ...runOptions,
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const out = requiredOption(context, 'out');
    if (!/\.(gguf|dat)$/.test(out)) throw new UsageError(`--out takes a .gguf or .dat file, not "${out}".`);
    const [statistics, hessians] = ['statistics', 'hessians'].map((name) => textOption(context, name));
    const threads = countOption(context, 'threads');
    const result = await jobs['calibration/run'](
      {
        ...{ ...model, out: resolve(out), text: resolve(requiredOption(context, 'text')) },
        ...windowsOf(context),
        ...{ memory: memoryOf(context), device: deviceOption(context) },
        ...(context.options['process-output'] === true ? { processOutput: true } : {}),
        ...(statistics === undefined ? {} : { statistics: resolve(statistics) }),
        ...(hessians === undefined ? {} : { hessians: resolve(hessians) }),
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    const { measures } = result;
    const lines = [
      `${plural(result.entries, 'matrix', 'matrices')} from ${plural(result.chunks, 'chunk')}, ${plural(result.tokens, 'token')}; perplexity ${preciseText(result.perplexity)}`,
      `${measures.seconds.toFixed(1)} s, ${number(Number(measures.tokensPerSecond.toPrecision(4)))} tokens per second, peak memory ${size(measures.peakMemory)}`,
      ...[result.out, result.statistics, result.hessians].flatMap((file) =>
        file ? [`Written: ${file}`] : [],
      ),
    ];
    return { json: result, lines };
  },
};
