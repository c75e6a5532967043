import { basename } from 'node:path';
import { parseJson } from '../../model/json';
import type { Model } from '../../model/model';
import { indexName, readWeightIndex, type WeightIndex } from '../../model/weightIndex';
import { plural } from '../../protocol/words';
import type { TensorDescriptor } from '../../protocol/model';
import type { Check, Fix } from '../check';

/** Tensors that are named in a message. */
const named = 3;

/** The index of shards against what the shards hold. */
export const indexCheck: Check = {
  codes: ['index/missing-tensor', 'index/unlisted-tensor', 'index/wrong-shard'],
  async run({ model }, { report }) {
    const path = model?.description.files.find((file) => indexName.test(file.path))?.path;
    if (!model || path === undefined) return;
    const index = await readWeightIndex(path);
    const { missingFiles } = model.description;
    const stored = storedTensors(model);
    const shardOf = new Map(index.listed.names.map((name, i) => [name, index.listed.shards[i]!]));
    const isAbsent = new Set(missingFiles);
    const change = missingFiles.length === 0 ? rewritten(index, stored) : undefined;
    const wrong = { 'index/missing-tensor': [], 'index/unlisted-tensor': [], 'index/wrong-shard': [] } as {
      [code in 'index/missing-tensor' | 'index/unlisted-tensor' | 'index/wrong-shard']: string[];
    };
    for (const [name, shard] of shardOf) {
      const tensor = stored.get(name);
      if (tensor && basename(tensor.file) !== shard) wrong['index/wrong-shard'].push(name);
      else if (!tensor && !isAbsent.has(shard)) wrong['index/missing-tensor'].push(name);
    }
    for (const name of stored.keys()) if (!shardOf.has(name)) wrong['index/unlisted-tensor'].push(name);
    const texts = {
      'index/missing-tensor': 'listed, but the shard that is named does not have',
      'index/unlisted-tensor': 'in a shard, but the index does not list',
      'index/wrong-shard': 'in another shard than the index says:',
    } as const;
    for (const code of Object.keys(texts) as (keyof typeof texts)[]) {
      const names = wrong[code];
      const [first] = names;
      if (first === undefined) continue;
      const shown = names.slice(0, named).join(', ') + (names.length > named ? ', …' : '');
      const message = `${plural(names.length, 'tensor')} ${names.length === 1 ? 'is' : 'are'} ${texts[code]} ${names.length === 1 ? 'it' : 'them'} (${shown}).`;
      const key = code === 'index/unlisted-tensor' ? ['weight_map'] : ['weight_map', first];
      report({
        code,
        file: path,
        tensor: first,
        message: message.replace(/: (it|them) \(/, ' ('),
        key,
        change,
      });
    }
  },
};

/** Tensors as the files have them, by name. */
function storedTensors({
  description,
  folder,
}: Model): ReadonlyMap<string, Pick<TensorDescriptor, 'file' | 'byteLength'>> {
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

function rewritten({ path }: WeightIndex, stored: ReturnType<typeof storedTensors>): Fix {
  const names = [...stored.keys()].sort();
  const total = [...stored.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    file: path,
    description: 'The index is written again from what the shards hold.',
    apply(text) {
      const old = parseJson(text) as Record<string, unknown>;
      const metadata = { ...(old['metadata'] as object | undefined), total_size: total };
      const map = Object.fromEntries(names.map((name) => [name, basename(stored.get(name)!.file)]));
      return `${JSON.stringify({ ...old, metadata, weight_map: map }, undefined, 2)}\n`;
    },
  };
}
