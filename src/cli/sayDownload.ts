import { isRemote } from '../model/remote/address';
import { size } from '../protocol/words';
import type { CommandContext } from './command';

/** Says how much a scan reads from a server, before it does. A model on this machine costs nothing that is worth saying. */
export async function sayDownload({
  model,
  jobs,
  signal,
  progress,
  note,
}: Pick<CommandContext, 'model' | 'jobs' | 'signal' | 'progress' | 'note'>): Promise<void> {
  if (!isRemote(model.path)) return;
  const { dataBytes } = await jobs['model/open'](model, { signal, progress });
  note(
    `Note: The scan reads ${size(dataBytes)} of weights from the server, less what an earlier scan has read.`,
  );
}
