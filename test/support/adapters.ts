import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors, type SafetensorsPart } from '../../src/exporter/writeSafetensors';
import type { Checkpoint } from './reference/checkpoint';
import { Random } from './random';

/** An adapter of PEFT to write: factors of modules, and whole tensors, by their names in the base. */
export interface AdapterSpec {
  /** Modules, and the shapes `[out, in]` of their matrices. */
  readonly modules: Readonly<Record<string, readonly number[]>>;
  /** Embeddings `[tokens, size]`. */
  readonly embeddings?: Readonly<Record<string, readonly number[]>>;
  readonly whole?: Readonly<Record<string, readonly number[]>>;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Rank of some modules; `r` of the configuration when absent. */
  readonly ranks?: Readonly<Record<string, number>>;
  readonly seed?: number;
}

/** Factors of a written adapter, by module: plain numbers for an independent computation. */
export interface WrittenFactors {
  readonly rank: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export interface WrittenAdapter {
  readonly factors: ReadonlyMap<string, WrittenFactors>;
  readonly whole: ReadonlyMap<string, Float32Array>;
}

/** Writes the folder of an adapter with random factors. @returns what it holds. */
export async function writeAdapter(folder: string, spec: AdapterSpec): Promise<WrittenAdapter> {
  const { modules, embeddings = {}, whole = {}, ranks = {} } = spec;
  const config: Record<string, unknown> = {
    ...{ peft_type: 'LORA', task_type: 'CAUSAL_LM', base_model_name_or_path: 'someone/base', r: 4 },
    ...{ lora_alpha: 8, lora_dropout: 0.05, bias: 'none', fan_in_fan_out: false, use_rslora: false },
    ...{ target_modules: [...new Set([...Object.keys(modules), ...Object.keys(embeddings)])] },
    ...{ modules_to_save: null, rank_pattern: {}, alpha_pattern: {}, init_lora_weights: true },
    ...{ use_dora: false, layers_to_transform: null, inference_mode: true },
    ...spec.config,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config, undefined, 2));
  const random = new Random(spec.seed ?? 7);
  const parts: SafetensorsPart[] = [];
  const add = (name: string, shape: readonly number[], spread: number): Float32Array => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from(random.fill(count, (r) => r.normal() * spread));
    parts.push({ name, dtype: 'F32', shape, data: () => [new Uint8Array(values.buffer)] });
    return values;
  };
  const factors = new Map<string, WrittenFactors>();
  for (const [kind, list] of Object.entries({ lora: modules, lora_embedding: embeddings })) {
    for (const [module, [out = 0, into = 0]] of Object.entries(list)) {
      const rank = ranks[module] ?? (config['r'] as number);
      const isEmbedding = kind === 'lora_embedding';
      const [rows, columns] = isEmbedding ? [into, out] : [out, into];
      const end = isEmbedding ? '' : '.weight';
      const name = `base_model.model.${module}.${kind}`;
      const a = add(`${name}_A${end}`, [rank, columns], 0.5 / Math.sqrt(into));
      const b = add(`${name}_B${end}`, [rows, rank], 0.5);
      factors.set(module, { rank, a, b });
    }
  }
  const saved = new Map<string, Float32Array>();
  for (const [name, shape] of Object.entries(whole))
    saved.set(name, add(`base_model.model.${name}`, shape, 0.1));
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), parts, { format: 'pt' });
  return { factors, whole: saved };
}

/** Element (row, column) of B · A. */
export function product({ a, b, rank }: WrittenFactors, row: number, column: number): number {
  const columns = a.length / rank;
  let sum = 0;
  for (let k = 0; k < rank; k++) sum += b[row * rank + k]! * a[k * columns + column]!;
  return sum;
}

/** Adds `scale · B · A` to a tensor of the independent reference, in float64. */
export function addToReference(
  checkpoint: Checkpoint,
  name: string,
  factors: WrittenFactors,
  scale: number,
  isTransposed = false,
): void {
  const { shape, data } = checkpoint.tensor(name);
  const [rows = 0, columns = 0] = shape;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      const change = isTransposed ? product(factors, column, row) : product(factors, row, column);
      data[at] = data[at]! + scale * change;
    }
}
