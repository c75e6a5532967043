import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { parseRopeScaling, type RopeScaling } from './ropeScaling';

/** config.json of a llama-architecture checkpoint, checked. */
export interface LlamaConfig {
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Whether config.json states the head size itself. */
  readonly headSizeStated: boolean;
  readonly contextLength: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  /** The output matrix is the embedding matrix. */
  readonly tied: boolean;
}

/** Architectures that become GGUF architecture "llama", with their `model_type`. */
const supported: Readonly<Record<string, string>> = {
  LlamaForCausalLM: 'llama',
  MistralForCausalLM: 'mistral',
};

type Fields = Record<string, unknown>;

/**
 * Reads config.json's content.
 * @throws QuantscopeError UNSUPPORTED for another architecture or something that GGUF's llama cannot express; MODEL_FILE
 * for a missing or impossible number.
 */
export function parseLlamaConfig(config: Fields, file: string): LlamaConfig {
  checkArchitecture(config, file);
  checkExpressible(config, file);
  const number = (key: string, fallback?: number): number => positive(config, key, file, fallback);
  const heads = number('num_attention_heads');
  const hiddenSize = number('hidden_size');
  const headSizeStated = typeof config['head_dim'] === 'number';
  const headSize = headSizeStated ? number('head_dim') : hiddenSize / heads;
  if (!Number.isInteger(headSize) || headSize % 2 !== 0)
    throw wrong(`The head size is ${headSize}; rotary embedding needs an even number.`, file);
  const contextLength = number('max_position_embeddings', 2048);
  const rope = ropeFields(config);
  const ropeTheta = positive(rope, 'rope_theta', file, 10_000);
  return {
    blocks: number('num_hidden_layers'),
    hiddenSize,
    feedForwardSize: number('intermediate_size'),
    heads,
    kvHeads: number('num_key_value_heads', heads),
    headSize,
    headSizeStated,
    contextLength,
    normEpsilon: number('rms_norm_eps', 1e-6),
    ropeTheta,
    ropeScaling: parseRopeScaling(rope['scaling'], { ropeTheta, headSize, contextLength }, file),
    tied: config['tie_word_embeddings'] === true,
  };
}

function checkArchitecture(config: Fields, file: string): void {
  const listed = config['architectures'];
  const architecture: unknown = Array.isArray(listed) ? listed[0] : undefined;
  const modelType = config['model_type'];
  const fits =
    typeof architecture === 'string'
      ? supported[architecture] !== undefined
      : typeof modelType === 'string' && Object.values(supported).includes(modelType);
  if (fits) return;
  const names = Object.keys(supported).join(', ');
  const found = typeof architecture === 'string' ? architecture : JSON.stringify(modelType ?? null);
  const message = `The architecture ${found} cannot be converted to GGUF; supported are ${names}, and any GGUF file.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function checkExpressible(config: Fields, file: string): void {
  const quantization = config['quantization_config'];
  if (isRecord(quantization)) {
    const method = String(quantization['quant_method']);
    const message = `The checkpoint is already quantized (${method}); export from the original weights.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
  const activation = config['hidden_act'] ?? 'silu';
  if (activation !== 'silu') {
    const message = `The activation ${JSON.stringify(activation)} is not that of llama in GGUF (silu).`;
    throw new QuantscopeError('UNSUPPORTED', message, { file });
  }
}

/** transformers 5 keeps theta and scaling together in `rope_parameters`; before, they stood apart. */
function ropeFields(config: Fields): Fields {
  const parameters = config['rope_parameters'];
  if (isRecord(parameters)) return { rope_theta: parameters['rope_theta'], scaling: parameters };
  return { rope_theta: config['rope_theta'], scaling: config['rope_scaling'] };
}

function positive(fields: Fields, key: string, file: string, fallback?: number): number {
  const value = fields[key] ?? fallback;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw wrong(`"${key}" is ${JSON.stringify(value ?? null)}; a positive number is needed.`, file);
}

function wrong(message: string, file: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', message, { file });
}
