import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { evidenceBytes, type EvidenceKeeper, type EvidenceParts } from '../../evaluation/evidence';
import { writeAtomically } from '../../files/atomicFile';
import { makeFolderAtomically, removeFolder } from '../../files/atomicFolder';
import { markUsed, trimFolders } from '../../files/leastRecentlyUsed';
import { partialEnding } from '../../files/partials';
import { isRecord } from '../../model/json';
import { seal, unseal } from '../../model/sealedJson';
import { areCurrent, versionsOf } from '../../quant/algorithms';
import { writeInput, writeOutput, type KeptInput, type KeptOutput } from './evidenceNumbers';

/** What a pass over a text has measured; all of it is on disk. */
export interface KeptEvidence {
  readonly folder: string;
  readonly text: {
    readonly path: string;
    readonly hash: string;
    readonly tokens: number;
    readonly context: number;
  };
  readonly parts: EvidenceParts;
  readonly inputs: readonly KeptInput[];
  readonly outputs: readonly KeptOutput[];
  /** Why gradients at other outputs are not known. */
  readonly stopped?: string;
}

/** What was measured without gradients has neither outputs nor their version. */
type Index = Omit<KeptEvidence, 'folder' | 'parts' | 'outputs'> & {
  readonly parts: Omit<EvidenceParts, 'gradients'> & { readonly gradients?: true };
  readonly outputs?: readonly KeptOutput[];
};

const algorithmsOf = ({ gradients }: Index['parts']): string[] => [
  ...['states', 'evidence'],
  ...(gradients ? ['gradients'] : []),
];

/** Disk space for evidence of all models; what was used least recently is removed first (bytes). */
const maxBytes = 128 * 1024 ** 3;

/** Evidence in a folder: `evidence/MODEL/TEXT/index.json`, and next to it the numbers of each input. An index is written last. */
export class EvidenceStore {
  /** Folder of all evidence. */
  readonly root: string;

  constructor(
    folder: string,
    private readonly limit = maxBytes,
  ) {
    this.root = join(folder, 'evidence');
  }

  /**
   * What an earlier pass has measured; damaged files and those of other versions do not count.
   * @param model its contentKey.
   * @param key of the text and of where it was run; the latest pass over any text where it is absent.
   * @param hash of the text, where only passes over it count.
   */
  async find(
    model: string,
    parts: EvidenceParts,
    { key, hash }: { readonly key?: string; readonly hash?: string | undefined } = {},
  ): Promise<KeptEvidence | undefined> {
    const names = key === undefined ? await namesIn(this.ofModel(model)) : [digestOf(key)];
    const found = await Promise.all(names.map((name) => readIndex(join(this.ofModel(model), name))));
    const [best] = found
      .filter((item) => item !== undefined)
      .filter(({ kept }) => has(kept.parts, parts) && (hash === undefined || kept.text.hash === hash))
      .sort((a, b) => b.usedMs - a.usedMs);
    if (!best) return undefined;
    await markUsed(join(best.kept.folder, indexName));
    return best.kept;
  }

  /** What a pass over a text has measured, even if it is less than is needed now. */
  async measuredParts(model: string, key: string): Promise<EvidenceParts> {
    return (await readIndex(join(this.ofModel(model), digestOf(key))))?.kept.parts ?? noParts;
  }

  /**
   * Keeps what `measure` hands over, one by one. Until it has ended, an earlier result of the same text stays; after an error, or
   * when it is cancelled, nothing of the new one is left. Passes over the same text at the same time do not disturb each other.
   * @param model its contentKey.
   */
  async add(
    model: string,
    { key, text, parts }: Pick<KeptEvidence, 'text' | 'parts'> & { readonly key: string },
    measure: (keep: EvidenceKeeper) => Promise<void>,
  ): Promise<KeptEvidence> {
    const folder = join(this.ofModel(model), digestOf(key));
    const inputs: KeptInput[] = [];
    const outputs: KeptOutput[] = [];
    const stopped: string[] = [];
    await makeFolderAtomically(folder, async (temporary) => {
      await measure({
        onInput: async (input) => void inputs.push(await writeInput(temporary, inputs.length, input)),
        onOutput: async (output) => void outputs.push(await writeOutput(temporary, outputs.length, output)),
        onStop: (reason) => void stopped.push(reason),
      });
      await writeIndex({ folder: temporary, text, parts, inputs, outputs, ...reasonOf(stopped) });
    });
    await this.trim(folder);
    return { folder, text, parts, inputs, outputs, ...reasonOf(stopped) };
  }

  private ofModel(model: string): string {
    return join(this.root, model.slice(0, 32));
  }

  /** Whatever takes space counts, also what another version has kept. */
  private async trim(kept: string): Promise<void> {
    const models = await namesIn(this.root);
    const folders = models.map(async (model) =>
      (await namesIn(join(this.root, model))).map((name) => join(this.root, model, name)),
    );
    await trimFolders((await Promise.all(folders)).flat(), {
      ...{ limit: this.limit, kept, marker: indexName },
      remove: async (folder) => {
        await removeFolder(folder);
        return true;
      },
    });
  }
}

export const noParts: EvidenceParts = { hessians: false, activations: false, gradients: false };

const has = (kept: EvidenceParts, needed: EvidenceParts): boolean =>
  (Object.keys(noParts) as (keyof EvidenceParts)[]).every((part) => kept[part] || !needed[part]);

/** On disk. */
export const keptBytes = ({ inputs, outputs, parts }: Omit<KeptEvidence, 'folder' | 'text'>): number =>
  evidenceBytes({ inputs: inputs.map(({ columns }) => columns), outputs }, parts);

const reasonOf = ([stopped]: readonly string[]): Pick<KeptEvidence, 'stopped'> =>
  stopped === undefined ? {} : { stopped };

const indexName = 'index.json';
const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 32);

/** Without the folders of passes that are running. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []); // nothing is kept there
  return names.filter((name) => !name.endsWith(partialEnding));
}

async function readIndex(folder: string): Promise<{ kept: KeptEvidence; usedMs: number } | undefined> {
  try {
    const file = join(folder, indexName);
    const value = unseal((await readFile(file, 'utf8')).trimEnd());
    if (!isRecord(value)) return undefined;
    const { versions, parts, outputs = [], ...rest } = value as unknown as Index & { versions: unknown };
    if (!areCurrent(versions, algorithmsOf(parts))) return undefined;
    const kept = { folder, ...rest, parts: { ...noParts, ...parts }, outputs };
    return { kept, usedMs: (await stat(file)).mtimeMs };
  } catch {
    return undefined; // not finished, or removed in the meantime
  }
}

async function writeIndex({ folder, text, parts, inputs, outputs, stopped }: KeptEvidence): Promise<void> {
  const { gradients, ...others } = parts;
  const kept: Index = {
    ...{ text, parts: { ...others, ...(gradients ? { gradients } : {}) }, inputs },
    ...(gradients ? { outputs } : {}),
    ...(stopped === undefined ? {} : { stopped }),
  };
  const index = { ...kept, versions: versionsOf(algorithmsOf(kept.parts)) };
  await writeAtomically(join(folder, indexName), (file) => file.write(Buffer.from(`${seal(index)}\n`)));
}
