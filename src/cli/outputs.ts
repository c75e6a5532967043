import { inputsOf, type Inputs } from '../files/inputs';
import type { CommandContext } from './command';

/**
 * Checks the files that a command itself writes, before the engine starts its work: none may be the model, or another file that
 * the command reads.
 * @returns what the writer of the outputs compares them with again.
 * @throws QuantscopeError REQUEST naming the output.
 */
export async function checkOutputs(
  { model, jobs, signal, progress }: CommandContext,
  outputs: readonly (string | undefined)[],
  alsoRead: readonly (string | undefined)[] = [],
): Promise<Inputs> {
  const opened = await jobs['model/open'](model, { signal, progress });
  const inputs = await inputsOf(opened, ...alsoRead);
  await inputs.check(outputs);
  return inputs;
}
