import { resolve } from 'node:path';
import { countOption, textOption, valueOption, type CommandContext } from './command';
import { deviceOption } from './device';
import { runOptions } from './runOptions';

/** Options of a calibration for the methods of one tensor. */
export const calibrationOptions = {
  calibration: valueOption('F', 'UTF-8 text to run the model over, for methods that need to know its inputs'),
  tokens: valueOption('N', 'tokens of the text that are used (default: 65,536)'),
  context: valueOption('N', 'tokens per window (default: 512, or the model’s if shorter)'),
  device: runOptions['device']!,
} as const;

/** Everything that methods may need is measured in one pass, or was by an earlier one over the same text. */
export async function calibrate(context: CommandContext): Promise<void> {
  const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
  const text = textOption(context, 'calibration');
  if (text === undefined) return;
  const [tokens, window] = [countOption(context, 'tokens'), countOption(context, 'context')];
  const amount = {
    ...(tokens === undefined ? {} : { tokens }),
    ...(window === undefined ? {} : { context: window }),
  };
  const { notes } = await jobs['evidence/run'](
    {
      ...{ ...model, ...amount, cacheDir, text: resolve(text), device: deviceOption(context) },
      needs: ['hessian', 'activations'],
    },
    { signal, progress },
  );
  for (const note of notes) context.note(note);
}
