import { resolve } from 'node:path';
import { writeAtomically } from '../files/atomicFile';
import { statIfPresent } from '../files/target';
import { QuantscopeError } from '../model/errors';
import type { ScaffoldedModel } from '../protocol/scaffold';
import { plural } from '../protocol/words';
import { textOption, valueOption, type Command, type CommandContext } from './command';
import { checkOutputs } from './outputs';

export const scaffoldModelCommand: Command = {
  name: 'scaffold-model',
  operand: 'MODEL',
  summary:
    'Propose the description of an architecture that has none, as a TypeScript file; reads headers only',
  options: { out: valueOption('F', 'write the file there, which must not exist (default: print it)') },
  async run(context) {
    const { model, jobs, signal, progress } = context;
    const given = textOption(context, 'out');
    const proposal = await jobs['model/scaffold'](model, { signal, progress });
    if (given === undefined) return { json: proposal, lines: proposal.text.trimEnd().split('\n') };
    const out = resolve(given);
    await writeNew(context, out, proposal.text);
    return { json: { ...proposal, out }, lines: [`Written: ${out} (${summaryOf(proposal)})`] };
  },
};

/** @throws QuantscopeError REQUEST for a file that exists. */
async function writeNew(context: CommandContext, out: string, text: string): Promise<void> {
  const inputs = await checkOutputs(context, [out]);
  if (await statIfPresent(out))
    throw new QuantscopeError('REQUEST', 'The file exists; a proposal replaces nothing.', { file: out });
  await writeAtomically(out, (file) => file.write(Buffer.from(text)), inputs);
}

function summaryOf({ recognised, unknown, unread }: ScaffoldedModel): string {
  const known = plural(Object.keys(recognised).length, 'part');
  return `${known} recognised, ${unknown.length} not, ${plural(unread.length, 'key')} that no description reads`;
}
