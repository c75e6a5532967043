import { resolve } from 'node:path';
import { preciseText } from '../protocol/figures';
import { countOption, requiredOption, textOption, UsageError, type Command } from './command';
import { deviceOf, memoryOf, runOptions, windowOptions, windowsOf } from './runOptions';
import { count, number, size } from './text';

export const imatrixCommand: Command = {
  name: 'imatrix',
  operand: 'MODEL',
  summary: 'Compute an importance matrix from a text',
  options: {
    text: { type: 'string', value: 'F', help: 'UTF-8 text like what the model is used for', required: true },
    out: { type: 'string', value: 'X', help: 'the .gguf or .dat file to write', required: true },
    'process-output': { type: 'boolean', help: 'the output matrix, too' },
    statistics: {
      type: 'string',
      value: 'F',
      help: 'a .safetensors file for mean, mean square and largest magnitude of each input channel',
    },
    hessians: {
      type: 'string',
      value: 'D',
      help: 'a folder for XᵀX of the inputs of each matrix, as .safetensors',
    },
    ...windowOptions,
    ...runOptions,
  },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const out = requiredOption(context, 'out');
    if (!/\.(gguf|dat)$/.test(out)) throw new UsageError(`--out ${out} ends in neither .gguf nor .dat`);
    const [statistics, hessians] = ['statistics', 'hessians'].map((name) => textOption(context, name));
    const threads = countOption(context, 'threads');
    const result = await jobs['calibration/run'](
      {
        ...{ ...model, out: resolve(out), text: resolve(requiredOption(context, 'text')) },
        ...windowsOf(context),
        ...{ memory: memoryOf(context), device: deviceOf(context) },
        ...(context.options['process-output'] === true ? { processOutput: true } : {}),
        ...(statistics === undefined ? {} : { statistics: resolve(statistics) }),
        ...(hessians === undefined ? {} : { hessians: resolve(hessians) }),
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    const { measures } = result;
    const lines = [
      `${count(result.entries)} matrices from ${count(result.chunks)} chunks, ${count(result.tokens)} tokens; perplexity ${preciseText(result.perplexity)}`,
      `${measures.seconds.toFixed(1)} s, ${number(Number(measures.tokensPerSecond.toPrecision(4)))} tokens per second, at most ${size(measures.peakMemory)} of memory`,
      ...[result.out, result.statistics, result.hessians].flatMap((file) =>
        file ? [`Written: ${file}`] : [],
      ),
    ];
    return { json: result, text: lines.join('\n') };
  },
};
