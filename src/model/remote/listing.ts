import { QuantscopeError, throwIfCancelled } from '../errors';
import { inParallel } from '../inParallel';
import { isRecord } from '../json';
import { maxListedFiles, maxListedPages, maxServedJson } from '../limits';
import { untilCancelled } from '../untilCancelled';
import { isFolderOfSigned } from './access';
import { encodeName, hubAddress, hubFolder, joinRemote, leadsElsewhere, type HubFolder } from './address';
import { remoteSize } from './remoteFiles';
import { ask, RequestError } from './request';
import { withRetries } from './retries';
import { said } from '../../protocol/said';

/** How long a list of the Hub is used (ms). */
const freshTime = 30_000;

/** Names of files that lead to weights, for servers that cannot list a folder. */
const namesOfWeights = [
  'model.safetensors.index.json',
  'model.safetensors',
  'pytorch_model.bin.index.json',
  'pytorch_model.bin',
  'consolidated.safetensors',
  'diffusion_pytorch_model.safetensors.index.json',
  'diffusion_pytorch_model.safetensors',
];

/** Names of files beside weights. */
const namesBeside = [
  ...['config.json', 'params.json', 'generation_config.json', 'modules.json', 'README.md'],
  ...[
    'tokenizer.json',
    'tokenizer_config.json',
    'tokenizer.model',
    'special_tokens_map.json',
    'added_tokens.json',
  ],
  ...['vocab.json', 'merges.txt', 'vocab.txt', 'chat_template.jinja', 'chat_template.json'],
  ...['spiece.model', 'sentencepiece.bpe.model', 'tekken.json', 'tiktoken.model'],
  ...['preprocessor_config.json', 'processor_config.json'],
];

/** Names that are tried on servers that list no folders: those of weights, all usual ones, or none, where any name is looked for. */
export type ListScope = 'weights' | 'all' | 'listed';

const usualNames: Readonly<Record<ListScope, readonly string[]>> = {
  ...{ weights: namesOfWeights, all: [...namesOfWeights, ...namesBeside], listed: [] },
};

const asked = new Map<string, { readonly names: Promise<readonly string[]>; readonly askedAt: number }>();

/**
 * Names of the files of a folder: from the Hub's list; of another server those of the usual names that exist.
 * @param scope what is needed of the folder where it cannot be listed: see `ListScope`.
 * @throws QuantscopeError IO where the folder does not exist or cannot be listed, or has weights that the server does not give by ranges;
 * CANCELLED at once, while a list that others wait for as well is read to its end.
 */
export async function listRemote(
  folder: string,
  scope: ListScope,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  throwIfCancelled(signal);
  const hub = hubFolder(folder);
  return untilCancelled(hub ? onHub(folder, hub) : ofUsualNames(folder, scope, signal), signal);
}

/** Names that are tried one by one; none any more once the signal has fired. */
async function ofUsualNames(
  folder: string,
  scope: ListScope,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  if (isFolderOfSigned(folder))
    throw new QuantscopeError('IO', said`The files beside a signed address cannot be listed.`, {
      file: folder,
    });
  const names = usualNames[scope];
  const answers = await inParallel(names, 8, (name) => {
    throwIfCancelled(signal);
    return lookFor(joinRemote(folder, name));
  });
  const found = names.filter((_, i) => answers[i] === true);
  const unusable = answers.find((answer, i) => answer instanceof QuantscopeError && isWeights(names[i]!));
  if (unusable instanceof QuantscopeError && !found.some(isWeights)) throw unusable;
  if (found.length > 0 || scope !== 'all') return found;
  const message = said`The server does not list its folders, and has no file of a usual name in this one: give the address of a file.`;
  throw new QuantscopeError('REQUEST', message, { file: folder });
}

const isWeights = (name: string): boolean => namesOfWeights.includes(name);

/**
 * Whether there is a file, or why the one that is there is of no use, as that of a server without ranges. A server that
 * refuses a name has no file of it.
 */
async function lookFor(path: string): Promise<boolean | QuantscopeError> {
  try {
    return (await remoteSize(path)) !== undefined;
  } catch (error) {
    if (error instanceof RequestError && error.failure.status !== undefined) return false;
    if (error instanceof RequestError || !(error instanceof QuantscopeError)) throw error;
    return error;
  }
}

function onHub(folder: string, hub: HubFolder): Promise<readonly string[]> {
  const now = Date.now();
  for (const [key, { askedAt }] of asked) if (now - askedAt >= freshTime) asked.delete(key);
  const before = asked.get(folder);
  if (before) return before.names;
  const names = listHub(folder, hub);
  asked.set(folder, { names, askedAt: now });
  names.catch(() => asked.delete(folder));
  return names;
}

/** The pages of the Hub's list of a folder. */
async function listHub(folder: string, { model, revision, inside }: HubFolder): Promise<readonly string[]> {
  const names: string[] = [];
  const start = `${hubAddress()}/api/models/${model}/tree/${revision}${inside === '' ? '' : `/${inside}`}`;
  let pages = 0;
  for (let page: string | undefined = start; page !== undefined; pages++) {
    if (pages === maxListedPages)
      throw new QuantscopeError('IO', said`The list of files has more than ${maxListedPages} pages.`, {
        file: folder,
      });
    const { entries, next } = await withRetries(() => readPage(folder, page!), undefined);
    for (const entry of entries)
      if (isRecord(entry) && entry['type'] === 'file' && typeof entry['path'] === 'string') {
        const name = entry['path'].split('/').at(-1)!;
        if (!leadsElsewhere(name)) names.push(encodeName(name));
      }
    if (names.length > maxListedFiles)
      throw new QuantscopeError('IO', said`The folder has more than ${maxListedFiles} files.`, {
        file: folder,
      });
    page = next;
  }
  return names;
}

async function readPage(folder: string, address: string) {
  const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
  const { body, headers: stated } = await ask({ path: folder, at: new URL(address), headers, wanted: [200] });
  const fail = (message: string, cause?: unknown): QuantscopeError =>
    new QuantscopeError('IO', message, { file: folder }, cause);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxServedJson) throw fail(said`The list of files is longer than ${maxServedJson} bytes.`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    throw new RequestError('The list of files is cut off.', folder, { isPassing: true }, cause);
  }
  const entries = parsed(Buffer.concat(chunks).toString());
  if (!Array.isArray(entries)) throw fail(said`The list of files is not as the Hub gives it.`);
  return { entries: entries as unknown[], next: nextPage(stated.link, address) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a page for people
  }
}

/** The next page of a list, on the same server only. */
function nextPage(link: string | readonly string[] | undefined, from: string): string | undefined {
  const [, target] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(link ?? '')) ?? [];
  if (target === undefined || !URL.canParse(target, from)) return undefined;
  const url = new URL(target, from);
  return url.origin === new URL(from).origin ? url.href : undefined;
}
