import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors, type SafetensorsPart } from '../../src/exporter/writeSafetensors';
import type { CheckpointSpec, ModuleSpec, Shapes } from './checkpointParts';
import { checkpoints } from './checkpoints';
import { sampleFolder } from './files';
import { Random } from './random';
import { byteFallbackJson } from './tokenizerJson';

/** Writes a checkpoint's folder: weights that half precision holds exactly, and the sample's tokenizer. */
export async function writeCheckpoint(folder: string, named: string | CheckpointSpec): Promise<void> {
  const spec = typeof named === 'string' ? checkpoints[named] : named;
  if (!spec) throw new Error(`There is no checkpoint ${named as string}.`);
  mkdirSync(folder, { recursive: true });
  const { model_type: type, ...params } = spec.config;
  const stated = spec.consolidated ? params : { ...params, model_type: type };
  const configFile = spec.consolidated ? 'params.json' : 'config.json';
  writeFileSync(join(folder, configFile), JSON.stringify(stated, undefined, 2));
  writeTokenizer(folder, spec);
  const random = new Random(spec.seed ?? 23);
  const partsOf = (shapes: Shapes): SafetensorsPart[] =>
    Object.entries(shapes).map(([tensor, shape]) => {
      const bytes = mxBytes(random, tensor, shape);
      if (bytes) return { name: tensor, dtype: 'U8', shape, data: () => [bytes] };
      const dtype = spec.dtype ?? 'BF16';
      const factor = Object.entries(spec.factors ?? {}).find(([part]) => tensor.includes(part))?.[1] ?? 1;
      const data = encode(weightsOf(random, tensor, shape, spec.shiftedNorms === true, factor), dtype);
      return { name: tensor, dtype, shape, data: () => [data] };
    });
  const parts = partsOf(spec.shapes);
  if (spec.modules) await writeModules(folder, spec.modules, partsOf);
  if (!spec.sharded) {
    const file = spec.consolidated ? 'consolidated.safetensors' : 'model.safetensors';
    await writeSafetensors(join(folder, file), parts, {});
    return;
  }
  const half = parts.length >> 1;
  const shards = { 1: parts.slice(0, half), 2: parts.slice(half) };
  const map: Record<string, string> = {};
  for (const [number, shard] of Object.entries(shards)) {
    const file = `model-0000${number}-of-00002.safetensors`;
    await writeSafetensors(join(folder, file), shard, {});
    for (const part of shard) map[part.name] = file;
  }
  const index = { metadata: { total_size: 0 }, weight_map: map };
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
}

function writeTokenizer(folder: string, { byteFallback }: CheckpointSpec): void {
  if (byteFallback) writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(byteFallbackJson()));
  else
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(join(sampleFolder, file), join(folder, file));
}

/** modules.json, and the folder of each module. */
async function writeModules(
  folder: string,
  modules: readonly ModuleSpec[],
  partsOf: (shapes: Shapes) => SafetensorsPart[],
): Promise<void> {
  const list = modules.map(({ type, path }, idx) => ({ idx, name: String(idx), path, type }));
  writeFileSync(join(folder, 'modules.json'), JSON.stringify(list));
  for (const { path, config, shapes } of modules) {
    mkdirSync(join(folder, path), { recursive: true });
    if (config) writeFileSync(join(folder, path, 'config.json'), JSON.stringify(config));
    if (shapes) await writeSafetensors(join(folder, path, 'model.safetensors'), partsOf(shapes), {});
  }
}

/** Codes and scales of MXFP4 as gpt-oss stores them; undefined for other tensors. */
function mxBytes(random: Random, name: string, shape: readonly number[]): Uint8Array | undefined {
  const kind = /_(blocks|scales)$/.exec(name)?.[1];
  if (kind === undefined) return undefined;
  const count = shape.reduce((product, size) => product * size, 1);
  const values = random.fill(count, (r) =>
    kind === 'blocks' ? Math.floor(256 * r.next()) : 120 + Math.floor(4 * r.next()),
  );
  return Uint8Array.from(values);
}

/** Normal weights of bfloat16, as bits of float32: matrices keep the size of what goes through them, norms are around the values that leave it unchanged. */
function weightsOf(
  random: Random,
  name: string,
  shape: readonly number[],
  shifted: boolean,
  factor: number,
): Uint32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const isVector = shape.length === 1;
  const isNorm = isVector && /(weight|scale|scalar)$/.test(name);
  // The norm inside a mixer is not one of 1 + w, whatever the others are.
  const isShifted = shifted && !name.includes('linear_attn');
  const spread = isVector ? 0.2 : /emb|wte|wpe/.test(name) ? 0.12 : 0.8 / Math.sqrt(shape[1] ?? 1);
  const values = random.fill(count, (r) => factor * (r.normal() * spread + (isNorm && !isShifted ? 1 : 0)));
  return new Uint32Array(values.buffer).map((word) => word & 0xffff0000);
}

/** Bytes of floats that bfloat16 holds. */
function encode(words: Uint32Array, dtype: 'BF16' | 'F16' | 'F32'): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(words.buffer);
  return new Uint8Array(Uint16Array.from(words, dtype === 'F16' ? toHalf : (word) => word >>> 16).buffer);
}

/** Float32 to float16, of numbers below its largest; below its smallest normal number, 2⁻¹⁴, it is rounded. */
function toHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 255) - 127;
  if (exponent >= -14) return sign | ((exponent + 15) << 10) | ((word >>> 13) & 1023);
  return sign | Math.round((1 + (word & 0x7fffff) / 2 ** 23) * 2 ** (exponent + 24));
}
