import { resolve } from 'node:path';
import type { PreviewResult } from '../protocol/preview';
import { estimateText, percentText, preciseText } from '../protocol/figures';
import { plural } from '../protocol/words';
import { loraOption } from './adapters';
import { countOption, requiredOption, type Command } from './command';
import { recipeChanges, recipeOf } from './recipeOptions';
import { runOptions, windowOptions, windowsOf } from './runOptions';
import { deviceOption } from './device';
import { figure, table } from './text';

export const previewCommand: Command = {
  name: 'preview',
  operand: 'MODEL',
  summary: 'Run a model as a recipe would quantize it and show the error of each block and of the output',
  keepsResults: true,
  options: {
    recipe: {
      type: 'string',
      value: 'R',
      help: 'id of a recipe (see quantscope recipes), or a recipe file',
      required: true,
    },
    text: { type: 'string', value: 'F', help: 'UTF-8 text to run both models over', required: true },
    ...recipeChanges,
    lora: loraOption,
    context: windowOptions['context']!,
    windows: { type: 'string', value: 'N', help: 'windows of the text (default: 8)' },
    device: runOptions['device']!,
    threads: runOptions['threads']!,
  },
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const threads = countOption(context, 'threads');
    const result = await jobs['evaluation/preview'](
      {
        ...{ ...model, cacheDir, recipe: recipeOf(context, requiredOption(context, 'recipe')) },
        ...{ text: resolve(requiredOption(context, 'text')), ...windowsOf(context) },
        device: deviceOption(context),
        ...(threads === undefined ? {} : { threads }),
      },
      { signal, progress },
    );
    return { json: result, lines: describe(result) };
  },
};

function describe(result: PreviewResult): string[] {
  const { variant, tokens, blocks, output, perplexity, originalPerplexity, divergence, sameTopToken } =
    result;
  return [
    `${variant}: relative squared error of states over ${plural(tokens, 'token')}`,
    ...table(
      ['after', 'this block alone', 'all up to it'],
      [
        ...blocks.map(({ block, own, accumulated }) => [`block ${block}`, figure(own), figure(accumulated)]),
        ['last norm', '', figure(output)],
      ],
    ),
    '',
    ...table(
      ['output', 'value'],
      [
        ['perplexity', preciseText(perplexity)],
        ['perplexity of the original', preciseText(originalPerplexity)],
        ['mean KLD, nats', estimateText(divergence)],
        ['same top token', percentText(sameTopToken)],
      ],
    ),
  ];
}
