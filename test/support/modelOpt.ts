import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { safetensorsBytes, writeFile } from './files';
import { tensorsOf, type StoredBytes } from './layouts';
import { exportableFolder } from './referenceRecipes';

const names: Readonly<Record<string, string>> = {
  weight_packed: 'weight',
  weight_scale: 'weight_scale',
  weight_global_scale: 'weight_scale_2',
};

/** NVFP4 of compressed-tensors as ModelOpt stores it: other names, and the reciprocal of the global scale as a scalar. */
export function asModelOpt(tensors: ReadonlyMap<string, StoredBytes>): Map<string, StoredBytes> {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const [, module = '', end = ''] = /^(.*\.)?([^.]*)$/.exec(name)!;
      const renamed = module + (names[end] ?? end);
      if (end !== 'weight_global_scale') return [renamed, tensor];
      const factor = Float32Array.of(1 / tensor.bytes.readFloatLE());
      return [renamed, { ...tensor, shape: [], bytes: Buffer.from(factor.buffer) }];
    }),
  );
}

/** A reference folder of compressed-tensors NVFP4 as ModelOpt would have written it, with scales of an FP8 cache of keys and values. */
export function modelOptFolder(name: string): string {
  const folder = exportableFolder(name);
  const tensors = asModelOpt(tensorsOf(join(folder, 'model.safetensors')));
  const scale: StoredBytes = {
    ...{ dtype: 'F32', shape: [], bytes: Buffer.from(Float32Array.of(0.25).buffer) },
  };
  for (const module of [...tensors.keys()].filter((tensor) => /\.[kv]_proj\.weight$/.test(tensor))) {
    tensors.set(module.replace(/([kv])_proj\.weight$/, '$1_proj.$1_scale'), scale);
    tensors.set(module.replace(/weight$/, 'input_scale'), scale);
  }
  let offset = 0;
  const header = [...tensors].map(([tensor, { dtype, shape, bytes }]) => {
    const range = [offset, (offset += bytes.length)];
    return [tensor, { dtype, shape, data_offsets: range }] as const;
  });
  const data = [...tensors.values()].map(({ bytes }) => bytes);
  const head = safetensorsBytes(Object.fromEntries(header), 0);
  writeFile(folder, 'model.safetensors', Buffer.concat([head, ...data]));
  const quantization = { quant_algo: 'NVFP4', kv_cache_quant_algo: 'FP8', group_size: 16 };
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  const stated = { ...quantization, quant_method: 'modelopt', ignore: ['lm_head'] };
  writeFile(folder, 'config.json', JSON.stringify({ ...config, quantization_config: stated }));
  writeFile(
    folder,
    'hf_quant_config.json',
    JSON.stringify({ producer: { name: 'modelopt', version: '0.41.0' }, quantization }),
  );
  return folder;
}
