import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import { PatternTrials } from '../model/patternTrials';
import { stated } from '../model/statedValue';
import type { ModelFileIdentity } from '../protocol/model';
import { said } from '../protocol/said';

/** What the adapter_config.json of PEFT says about low-rank changes. */
export interface AdapterConfig {
  /** Its path, for errors. */
  readonly file: string;
  readonly identity: ModelFileIdentity;
  /** `lora_alpha`; modules may have another. */
  readonly alpha: number;
  /** Whether matrices of modules are stored `[in, out]`. */
  readonly fanInFanOut: boolean;
  /** Rank and scale of each module, by its name without prefix. */
  scalesOf(modules: readonly string[]): Map<string, ModuleScale>;
}

/** The change of a module is `alpha / divisor · B · A`, and A has `rank` rows. */
export interface ModuleScale {
  readonly rank: number;
  readonly alpha: number;
  /** The rank, or its square root with `use_rslora`. */
  readonly divisor: number;
}

/** Keys that are followed. */
const followed = [
  ...['peft_type', 'r', 'lora_alpha', 'use_rslora', 'rank_pattern', 'alpha_pattern', 'fan_in_fan_out'],
  ...['target_modules', 'exclude_modules', 'layers_to_transform', 'layers_pattern', 'init_lora_weights'],
] as const;

/** Keys that do not change what a trained adapter does; tensors show what `bias` and `modules_to_save` have added. */
const harmless = [
  ...['auto_mapping', 'base_model_name_or_path', 'revision', 'task_type', 'inference_mode', 'peft_version'],
  ...['lora_dropout', 'bias', 'modules_to_save', 'megatron_core', 'runtime_config', 'qalora_group_size'],
  ...['loftq_config', 'eva_config', 'corda_config', 'lora_ga_config'],
] as const;

/** Why keys that are set are refused. */
const refused: Readonly<Record<string, string>> = {
  use_dora: said`DoRA scales rows of the sum of base and change`,
  use_qalora: said`QALoRA averages inputs before the change`,
  lora_bias: said`biases of the changes are not read`,
  layer_replication: said`it repeats layers of the base`,
  target_parameters: said`it changes tensors that are no modules`,
  trainable_token_indices: said`it replaces rows of the embedding`,
  alora_invocation_tokens: said`the adapter is active after certain tokens only, so that it cannot be merged`,
  megatron_config: said`modules of Megatron are not read`,
  ensure_weight_tying: said`it ties embedding and output`,
};

/** Ways to begin the training that leave the base as it is; others subtract the first change from it. */
const plainStarts: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

/**
 * Reads the configuration of an adapter.
 * @param folder of the adapter.
 * @throws QuantscopeError MODEL_FILE for a file that cannot be read or contradicts itself, UNSUPPORTED for a key whose meaning is not
 * followed.
 * @see https://huggingface.co/docs/peft/package_reference/lora (LoraConfig)
 */
export async function readAdapterConfig(folder: string, signal?: AbortSignal): Promise<AdapterConfig> {
  const file = joinPlace(folder, 'adapter_config.json');
  const { value: config, hash, size, mtimeMs } = await readJsonFile(file, signal);
  if (!isRecord(config))
    throw new QuantscopeError('MODEL_FILE', said`The file does not hold a JSON object.`, { file });
  refuseKeys(config, file);
  const rank = countOf(config['r'], 'r', file);
  const alpha = numberOf(config['lora_alpha'], 'lora_alpha', file);
  const ranks = patternsOf(config, 'rank_pattern', file, countOf);
  const alphas = patternsOf(config, 'alpha_pattern', file, numberOf);
  const isRooted = config['use_rslora'] === true;
  const targets = targetsOf(config, file);
  return {
    ...{ file, alpha, identity: { path: file, size, mtimeMs, headerHash: hash } },
    fanInFanOut: config['fan_in_fan_out'] === true,
    scalesOf(modules) {
      const trials = new PatternTrials(said`The patterns of the adapter`);
      return trials.run(() => {
        const scales = modules.map((module): [string, ModuleScale] => {
          targets(module, trials);
          const own = valueFor(ranks, module, trials) ?? rank;
          const factor = valueFor(alphas, module, trials) ?? alpha;
          return [module, { rank: own, alpha: factor, divisor: isRooted ? Math.sqrt(own) : own }];
        });
        return new Map(scales);
      });
    },
  };
}

function refuseKeys(config: Readonly<Record<string, unknown>>, file: string): void {
  const unsupported = (message: string): QuantscopeError =>
    new QuantscopeError('UNSUPPORTED', message, { file });
  if (config['peft_type'] !== 'LORA')
    throw unsupported(said`"peft_type" ${stated(config['peft_type'])}; only adapters of type LORA are read.`);
  const start = config['init_lora_weights'];
  if (!plainStarts.includes(start))
    throw unsupported(
      said`"init_lora_weights" ${stated(start)}: such an adapter belongs to a base that was changed before the training. Save it as a plain LoRA first.`,
    );
  const known = new Set<string>([...followed, ...harmless]);
  for (const [key, value] of Object.entries(config)) {
    if (known.has(key) || isUnset(value)) continue;
    const why = Object.hasOwn(refused, key)
      ? refused[key]!
      : said`it is not known, and may change the result`;
    throw unsupported(said`"${key}" ${stated(value)}, which is not supported: ${why}.`);
  }
}

const isUnset = (value: unknown): boolean =>
  value === null ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0);

function countOf(value: unknown, key: string, file: string): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw new QuantscopeError('MODEL_FILE', said`"${key}" ${stated(value)}; a rank of at least 1 is needed.`, {
    file,
  });
}

function numberOf(value: unknown, key: string, file: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new QuantscopeError('MODEL_FILE', said`"${key}" ${stated(value)}; a finite number is needed.`, {
    file,
  });
}

type Patterns = readonly { readonly pattern: RegExp; readonly value: number }[];

/** Values by patterns of modules' names, each of which may lack what stands before a point. */
function patternsOf(
  config: Readonly<Record<string, unknown>>,
  key: string,
  file: string,
  valueOf: (value: unknown, key: string, file: string) => number,
): Patterns {
  const entries = config[key] ?? {};
  if (!isRecord(entries))
    throw new QuantscopeError('MODEL_FILE', said`"${key}" ${stated(entries)}; an object is needed.`, {
      file,
    });
  return Object.entries(entries).map(([text, value]) => ({
    pattern: expression(`^(.*\\.)?(${text})$`, key, file),
    value: valueOf(value, `${key}.${text}`, file),
  }));
}

function expression(text: string, key: string, file: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    const message = said`"${key}" holds ${JSON.stringify(text)}, which is not a regular expression.`;
    throw new QuantscopeError('MODEL_FILE', message, { file }, cause);
  }
}

/** The first pattern that fits counts. */
const valueFor = (patterns: Patterns, module: string, trials: PatternTrials): number | undefined =>
  patterns.find(({ pattern }) => trials.test(pattern, module))?.value;

type Matches = (module: string, trials: PatternTrials) => boolean;

/** Checks that PEFT would apply a change to a module: tensors of others are ignored there. @returns what throws QuantscopeError. */
function targetsOf(
  config: Readonly<Record<string, unknown>>,
  file: string,
): (module: string, trials: PatternTrials) => void {
  const [wanted, left] = ['target_modules', 'exclude_modules'].map((key) => matcher(config[key], key, file));
  const layers = layersOf(config['layers_to_transform'], file);
  const reasons: readonly (readonly [why: string, applies: Matches])[] = [
    [said`"target_modules" does not name it`, (module, trials) => wanted?.(module, trials) === false],
    [said`"exclude_modules" names it`, (module, trials) => left?.(module, trials) === true],
    [said`"layers_to_transform" leaves its layer out`, (module) => layers?.has(layerOf(module)) === false],
  ];
  return (module, trials) => {
    const why = reasons.find(([, applies]) => applies(module, trials))?.[0];
    if (why === undefined) return;
    const message = said`The adapter has a change of "${module}", but ${why}: PEFT would ignore it.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  };
}

/** The number of a module's layer: the first in its name. */
function layerOf(module: string): number | undefined {
  const [, layer] = /\.(\d+)\./.exec(`.${module}.`) ?? [];
  return layer === undefined ? undefined : Number(layer);
}

/** A list of names, or of ends of names after a point; or one regular expression for whole names. */
function matcher(value: unknown, key: string, file: string): Matches | undefined {
  if (value === undefined || value === null || value === 'all-linear') return undefined;
  if (typeof value === 'string') {
    const pattern = expression(`^(?:${value})$`, key, file);
    return (module, trials) => trials.test(pattern, module);
  }
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return (module) => value.some((name) => module === name || module.endsWith(`.${name}`));
  throw new QuantscopeError('MODEL_FILE', said`"${key}" ${stated(value)}; names or a pattern are needed.`, {
    file,
  });
}

function layersOf(value: unknown, file: string): ReadonlySet<unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  const layers: unknown[] = Array.isArray(value) ? value : [value];
  if (layers.every((layer) => Number.isSafeInteger(layer))) return new Set(layers);
  const message = said`"layers_to_transform" ${stated(value)}; numbers of layers are needed.`;
  throw new QuantscopeError('MODEL_FILE', message, { file });
}
