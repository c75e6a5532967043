import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { deviceOption, devices } from './device';
import { flagOption, listOption, textOptions, UsageError, valueOption, type Command } from './command';

export const mcpCommand: Command = {
  name: 'mcp',
  summary:
    'Serve the tools to language models over stdin and stdout (Model Context Protocol), until stdin ends',
  options: {
    root: listOption(
      'DIR',
      'folder that may be read and written (default: the folders of the client, else the working folder)',
    ),
    'allow-write': flagOption(
      'write files also where the client cannot ask the user; else nothing is written without consent',
    ),
    'allow-remote': flagOption('read models on servers, too (https://…, hf://OWNER/MODEL)'),
    device: valueOption('D', `${devices.join(', ')} (default: auto)`),
  },
  keepsResults: true,
  async run(context) {
    const { options, signal, note, cacheDir, evaluationDir } = context;
    if (options['json'] === true)
      throw new UsageError('mcp has no --json: what it writes to stdout are messages of the protocol.');
    const device = deviceOption(context);
    const roots = await Promise.all(textOptions(context, 'root').map(folderNamed));
    // The protocol's library is loaded by this command alone.
    const { serve } = await import('./mcp/serve');
    await serve({
      ...{ cacheDir, evaluationDir, device, signal, roots, log: note },
      allowWrite: options['allow-write'] === true,
      allowRemote: options['allow-remote'] === true,
    });
    return { json: null, lines: [] };
  },
};

/** @throws UsageError for what is no folder: a typing mistake would else forbid everything, or permit what is made there later. */
async function folderNamed(text: string): Promise<string> {
  const folder = resolve(text);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`--root takes a folder; there is none at ${folder}.`);
  return folder;
}
