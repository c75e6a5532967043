import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors, type SafetensorsPart } from '../../src/exporter/writeSafetensors';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

type Tensors = ReadonlyMap<
  string,
  { readonly dtype: string; readonly shape: readonly number[]; data: Buffer }
>;

/** An expert's matrix: the block and its feed-forward network, the expert's number, the part. */
const expertName = /^(.+)\.(?:block_sparse_moe|mlp)\.experts\.(\d+)\.(\w+)\.weight$/;
const roles: Readonly<Record<string, 'gate' | 'up' | 'down'>> = {
  ...{ w1: 'gate', w3: 'up', w2: 'down' },
  ...{ gate_proj: 'gate', up_proj: 'up', down_proj: 'down' },
};

/** Copies a checkpoint's folder with its experts fused, as the classes of transformers 5 hold them. */
export async function fuseExperts(from: string, to: string): Promise<void> {
  cpSync(from, to, { recursive: true });
  const tensors = readTensors(join(from, 'model.safetensors'));
  const parts = [...others(tensors), ...fused(tensors)];
  await writeSafetensors(join(to, 'model.safetensors'), parts, {});
}

function readTensors(path: string): Tensors {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<string, Entry>;
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    tensors.map(([name, { dtype, shape, data_offsets: offsets }]) => [
      name,
      { dtype, shape, data: file.subarray(start + offsets[0], start + offsets[1]) },
    ]),
  );
}

/** Everything but the experts; Mixtral's router has another name, too. */
function others(tensors: Tensors): SafetensorsPart[] {
  return [...tensors]
    .filter(([name]) => !expertName.test(name))
    .map(([name, { dtype, shape, data }]) => ({
      name: name.replace('block_sparse_moe.gate', 'mlp.gate'),
      dtype,
      shape,
      data: () => [data],
    }));
}

function fused(tensors: Tensors): SafetensorsPart[] {
  const blocks = new Map<string, Record<'gate' | 'up' | 'down', Buffer>[]>();
  const sizes = { size: 0, hidden: 0 };
  for (const [name, { shape, data }] of tensors) {
    const [, block, expert, part] = expertName.exec(name) ?? [];
    if (block === undefined) continue;
    const experts = blocks.get(block) ?? [];
    const role = roles[part!]!;
    experts[Number(expert)] = { ...experts[Number(expert)]!, [role]: data };
    blocks.set(block, experts);
    if (role === 'gate') [sizes.size, sizes.hidden] = shape as [number, number];
  }
  const { size, hidden } = sizes;
  return [...blocks].flatMap(([block, experts]): SafetensorsPart[] => [
    {
      name: `${block}.mlp.experts.gate_up_proj`,
      dtype: 'BF16',
      shape: [experts.length, 2 * size, hidden],
      data: () => experts.flatMap(({ gate, up }) => [gate, up]),
    },
    {
      name: `${block}.mlp.experts.down_proj`,
      dtype: 'BF16',
      shape: [experts.length, hidden, size],
      data: () => experts.map(({ down }) => down),
    },
  ]);
}
