import { readdir } from 'node:fs/promises';
import { kindByName } from './fileKind';

/** Indexes by names that nothing else has; a `search.index.json` may be one of anything. */
const weightIndexName = /\.(safetensors|bin)\.index(\.[\w-]+)?\.json$/i;

/**
 * Whether names of files in a folder of this machine say that it may hold a model: those of weights, whole or being downloaded, or of an index. Opens
 * nothing. A folder that cannot be listed holds none.
 */
export async function holdsWeights(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.some((name) => {
    const kind = kindByName(name);
    return kind === 'json' ? weightIndexName.test(name) : kind !== undefined;
  });
}
