import { basename } from 'node:path';
import { QuantscopeError } from '../../model/errors';
import { isRecord, parseJson } from '../../model/json';
import type { Model } from '../../model/model';
import { joinPlace, listIfPresent } from '../../model/place';
import { numberedSet } from '../../model/weightCandidates';
import { indexName, readWeightIndex, type WeightIndex } from '../../model/weightIndex';
import { plural } from '../../protocol/words';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { Check, CheckContext, Fix } from '../check';
import { bareMessage, placeOf } from '../patient';

/** Tensors that are named in a message. */
const named = 3;

/** What is said of one tensor, and of several with their number. */
const sayings = {
  'index/missing-tensor': (names: string, count?: string) =>
    count === undefined
      ? said`1 tensor is listed, but the shard that is named does not have it (${names}).`
      : said`${count} are listed, but the shard that is named does not have them (${names}).`,
  'index/unlisted-tensor': (names: string, count?: string) =>
    count === undefined
      ? said`1 tensor is in a shard, but the index does not list it (${names}).`
      : said`${count} are in a shard, but the index does not list them (${names}).`,
  'index/wrong-shard': (names: string, count?: string) =>
    count === undefined
      ? said`1 tensor is in another shard than the index says (${names}).`
      : said`${count} are in another shard than the index says (${names}).`,
} as const;

type IndexCode = keyof typeof sayings;
const indexCodes = Object.keys(sayings) as IndexCode[];

/** The index of shards against what the shards hold, and indexes that cannot be used. */
export const indexCheck: Check = {
  codes: [...indexCodes, 'index/unreadable'],
  async run({ model, hasSurroundings }, { report }) {
    if (!model || model.gguf || !hasSurroundings) return;
    const beside = await listIfPresent(model.folder, 'weights');
    await ignoredIndexes(model, beside, report);
    const path = model.description.files.find((file) => indexName.test(file.path))?.path;
    if (path === undefined) return;
    const index = await readWeightIndex(path);
    const { missingFiles } = model.description;
    const stored = storedTensors(model);
    const forgotten = forgottenShards(index, beside);
    for (const shard of forgotten)
      report({
        ...{ code: 'index/unlisted-tensor', file: path, key: ['weight_map'] },
        message: said`${shard} is there, but the index names no tensor of it.`,
      });
    const isWhole = missingFiles.length === 0 && forgotten.length === 0;
    const change = isWhole ? rewritten(index, stored) : undefined;
    const wrong = wrongTensors(index, stored, new Set(missingFiles));
    for (const code of indexCodes) {
      const [first] = wrong[code];
      if (first === undefined) continue;
      const key = code === 'index/unlisted-tensor' ? ['weight_map'] : ['weight_map', first];
      report({ code, file: path, tensor: first, message: messageOf(code, wrong[code]), key, change });
    }
  },
};

type StoredTensors = ReadonlyMap<string, Pick<TensorDescriptor, 'file' | 'byteLength'>>;

/** @param absent shards that are not there: what they hold is not known. */
function wrongTensors(
  { listed: { names, shards } }: WeightIndex,
  stored: StoredTensors,
  absent: ReadonlySet<string>,
): Readonly<Record<IndexCode, readonly string[]>> {
  const shardOf = new Map(names.map((name, i) => [name, shards[i]!]));
  const listed = [...shardOf];
  return {
    'index/missing-tensor': listed.flatMap(([name, shard]) =>
      !stored.has(name) && !absent.has(shard) ? name : [],
    ),
    'index/unlisted-tensor': [...stored.keys()].filter((name) => !shardOf.has(name)),
    'index/wrong-shard': listed.flatMap(([name, shard]) => {
      const tensor = stored.get(name);
      return tensor && basename(tensor.file) !== shard ? name : [];
    }),
  };
}

function messageOf(code: IndexCode, names: readonly string[]): string {
  const shown = names.slice(0, named).join(', ') + (names.length > named ? ', …' : '');
  return sayings[code](shown, names.length === 1 ? undefined : plural(names.length, 'tensor'));
}

/** Indexes of the model's files that opening it passes over, as they cannot be read or list nothing. */
async function ignoredIndexes(
  { description: { files }, folder }: Model,
  names: readonly string[],
  report: CheckContext['report'],
): Promise<void> {
  const used = new Set(files.map(({ path }) => basename(path)));
  for (const name of names.filter((item) => indexName.test(item) && !used.has(item))) {
    const [, base = name, ending = ''] = /^(.+)(\.\w+)\.index\./.exec(name) ?? [];
    if (![...used].some((file) => file.startsWith(base) && file.endsWith(ending))) continue; // of another model
    const file = joinPlace(folder, name);
    try {
      if ((await readWeightIndex(file)).shards.length > 0) continue;
      report({
        code: 'index/unreadable',
        file,
        message: said`The index lists no tensor: libraries load nothing.`,
      });
    } catch (error) {
      if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
      report({ code: 'index/unreadable', message: bareMessage(error), ...placeOf(error, file) });
    }
  }
}

/** Files of the numbered sets whose other files an index names. */
function forgottenShards({ shards }: WeightIndex, names: readonly string[]): string[] {
  const sets = new Set(shards.map((shard) => numberedSet(shard)?.label));
  return names.filter((name) => {
    const label = numberedSet(name)?.label;
    return label !== undefined && sets.has(label) && !shards.includes(name);
  });
}

/** Tensors as the files have them, by name. */
function storedTensors({ description, folder }: Model): StoredTensors {
  const found = new Map<string, Pick<TensorDescriptor, 'file' | 'byteLength'>>();
  const shards = new Set(
    description.files.flatMap(({ path, contentHash }) => (contentHash === undefined ? [] : path)),
  );
  for (const tensor of description.tensors)
    for (const part of tensor.stored?.parts ?? [tensor])
      if (shards.has(part.file) && isBeside(part.file, folder)) found.set(part.name, part);
  return found;
}

/** Modules of an embedding model lie in folders of their own, and no index lists them. */
const isBeside = (file: string, folder: string): boolean =>
  file.length === folder.length + 1 + basename(file).length;

function rewritten({ path }: WeightIndex, stored: StoredTensors): Fix {
  const names = [...stored.keys()].sort();
  const total = [...stored.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    file: path,
    description: said`The index is written again from what the shards hold.`,
    apply(text) {
      const old = parseJson(text) as Record<string, unknown>;
      const stated = old['metadata'];
      const metadata = { ...(isRecord(stated) ? stated : {}), total_size: total };
      const map = Object.fromEntries(names.map((name) => [name, basename(stored.get(name)!.file)]));
      return `${JSON.stringify({ ...old, metadata, weight_map: map }, undefined, 2)}\n`;
    },
  };
}
