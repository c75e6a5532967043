import { resolve } from 'node:path';
import { absolutePlace } from '../model/place';
import type { JobContext } from '../engine/job';
import {
  improvement,
  trainedParts,
  type RefinementEstimate,
  type RefinementParams,
  type RefinementPoint,
  type RefinementResult,
} from '../protocol/refinement';
import { duration, plural, size } from '../protocol/words';
import {
  choiceOption,
  countOption,
  flagOption,
  requiredOption,
  textOption,
  UsageError,
  modelOption,
  valueOption,
  type Command,
  type CommandContext,
} from './command';
import { runOptions, windowOptions } from './runOptions';
import { deviceOption } from './device';
import { count, number, table } from './text';

export const refineCommand: Command = {
  name: 'refine',
  operand: 'FILE',
  summary: 'Train a GGUF file on the output of the model it was made from (same types, same size)',
  options: {
    original: { ...modelOption('MODEL', 'the model that FILE was made from'), required: true },
    text: { type: 'string', value: 'F', help: 'UTF-8 text to run both over', required: true },
    out: valueOption('F', '.gguf file to write (optional with --dry-run)'),
    steps: valueOption('N', 'number of steps (default: 200)'),
    batch: valueOption('N', 'windows of a step (default: 4)'),
    train: valueOption('P', 'factors: norms and scales of blocks; codes: the codes, too (default: codes)'),
    tokens: valueOption('N', 'tokens of the text that are used, spread over it (default: 65,536)'),
    context: windowOptions['context']!,
    finish: flagOption('make no more steps: write the best state of a run that was stopped'),
    'dry-run': flagOption('write nothing; say how long it would take, after one step'),
    device: runOptions['device']!,
    threads: runOptions['threads']!,
  },
  keepsResults: true,
  async run(context) {
    const { jobs, signal, progress } = context;
    const params = paramsOf(context);
    const out = textOption(context, 'out');
    const finish = context.options['finish'] === true;
    if (context.options['dry-run'] === true) {
      if (finish) throw new UsageError('--finish and --dry-run are mutually exclusive.');
      const estimate = await jobs['refinement/estimate'](params, { signal, progress });
      return { json: estimate, lines: [estimateText(estimate)] };
    }
    if (out === undefined) throw new UsageError('--out is missing.');
    if (!finish) context.note(estimateText(await jobs['refinement/estimate'](params, { signal, progress })));
    const run = { ...params, out: resolve(out), ...(finish ? { finish } : {}) };
    const result = await withHint(context, (hooks) => jobs['refinement/run'](run, hooks));
    return { json: result, lines: describe(result) };
  },
};

/** A run that names the best state that it has reached where it ends without writing one. */
async function withHint(
  { signal, progress, note }: CommandContext,
  run: (hooks: JobContext) => Promise<RefinementResult>,
): Promise<RefinementResult> {
  let best: RefinementPoint | undefined;
  try {
    return await run({
      signal,
      progress: (part) => {
        best = improvement(part.refinement?.points ?? []) ?? best;
        progress(part);
      },
    });
  } catch (error) {
    if (best) note(`The state after ${plural(best.step, 'step')} is kept: --finish writes it.`);
    throw error;
  }
}

function paramsOf(context: CommandContext): RefinementParams {
  const given = Object.fromEntries(
    ['steps', 'batch', 'tokens', 'context', 'threads'].flatMap((name) => {
      const value = countOption(context, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const parts = choiceOption(context, 'train', trainedParts);
  return {
    ...context.model,
    ...given,
    ...(parts === undefined ? {} : { parts }),
    original: absolutePlace(requiredOption(context, 'original')),
    text: resolve(requiredOption(context, 'text')),
    cacheDir: context.evaluationDir,
    device: deviceOption(context),
  };
}

function estimateText({ steps, done, seconds, disk, memory }: RefinementEstimate): string {
  const made = done > 0 ? `, of which an earlier run made ${done}` : '';
  return `About ${duration(seconds)} for ${plural(steps, 'step')}${made}; ${size(memory)} of memory and ${size(disk)} on disk. Ctrl+C stops it: the same command continues, and --finish writes the best state.`;
}

function describe({ out, steps, best, points, tokens, tensors, seconds }: RefinementResult): string[] {
  const [start] = points;
  const learned = `${count(tokens.learned)} tokens, measured on ${count(tokens.heldBack)} others`;
  const gained = 1 - best.divergence / start!.divergence;
  return [
    ...table(
      ['step', 'mean KLD'],
      points.map(({ step, divergence }) => [step, number(divergence)]),
    ),
    '',
    `${tensors.trained} of ${plural(tensors.all, 'tensor')} trained in ${plural(steps, 'step')} on ${learned}, nats per token.`,
    best.step === 0
      ? 'No step was better than the start: the file has the weights that it had.'
      : `Best after ${plural(best.step, 'step')}: ${number(best.divergence)}, ${(100 * gained).toFixed(0)} % less than at the start.`,
    `Written: ${out} (${duration(seconds)})`,
  ];
}
