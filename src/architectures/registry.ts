import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { quantizedLayoutOf } from '../model/quantizedLayout';
import type { TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import { describing, listedClass } from './classNames';
import type { ArchitectureDescription } from './description';
import type { EncoderTraits, ForwardTraits } from './forward';
import { arcee } from './families/arcee';
import { bert, roberta } from './families/bert';
import { cohere2 } from './families/cohere2';
import { commandR } from './families/commandR';
import { deepseek2 } from './families/deepseek2';
import { deepseek32 } from './families/deepseek32';
import { ernie45, ernie45moe } from './families/ernie45';
import { exaone4 } from './families/exaone4';
import { falcon } from './families/falcon';
import { falconH1 } from './families/falconH1';
import { gemma } from './families/gemma';
import { gemma2 } from './families/gemma2';
import { gemma3 } from './families/gemma3';
import { gemma3n } from './families/gemma3n';
import { gemma4 } from './families/gemma4';
import { gemmaEmbedding } from './families/gemmaEmbedding';
import { glm, glm4 } from './families/glm4';
import { glm4moe } from './families/glm4moe';
import { gpt2 } from './families/gpt2';
import { gptneox } from './families/gptneox';
import { gptOss } from './families/gptOss';
import { hunyuanDense, hunyuanMoe } from './families/hunyuan';
import { granite, graniteMoe } from './families/granite';
import { graniteAttention, graniteAttentionMoe, graniteHybrid } from './families/graniteHybrid';
import { internlm3 } from './families/internlm3';
import { lfm2, lfm2moe } from './families/lfm2';
import { llama } from './families/llama';
import { llama4 } from './families/llama4';
import { llamaEmbed } from './families/llamaEmbed';
import { mamba2 } from './families/mamba2';
import { mistral3 } from './families/mistral3';
import { minicpm } from './families/minicpm';
import { mistralConsolidated, mistralConsolidated3 } from './families/mistralParams';
import { mixtral } from './families/mixtral';
import { minimaxM2 } from './families/minimaxM2';
import { modernBert } from './families/modernBert';
import { nemotron } from './families/nemotron';
import { nemotronH, nemotronHMoe } from './families/nemotronH';
import { nomicBert } from './families/nomicBert';
import { olmo2, olmo3 } from './families/olmo2';
import { olmoe } from './families/olmoe';
import { phi2 } from './families/phi2';
import { phi3 } from './families/phi3';
import { qwen2 } from './families/qwen2';
import { qwen2moe } from './families/qwen2moe';
import { qwen3 } from './families/qwen3';
import { qwen3moe } from './families/qwen3moe';
import { qwen2vl, qwen3vl, qwen3vlmoe } from './families/qwenVl';
import { qwen35, qwen35moe } from './families/qwen35';
import { qwen3next } from './families/qwen3next';
import { seedOss } from './families/seedOss';
import { smollm3 } from './families/smollm3';
import { stablelm } from './families/stablelm';
import { starcoder2 } from './families/starcoder2';
import { stated } from '../model/statedValue';

/** Every architecture that can be converted. A new one takes a file in families/, a line here and a test. */
export const architectures: readonly ArchitectureDescription[] = [
  llama,
  llama4,
  llamaEmbed,
  mistral3,
  mistralConsolidated,
  mistralConsolidated3,
  mixtral,
  gemma,
  gemma2,
  gemmaEmbedding,
  gemma3,
  gemma3n,
  gemma4,
  olmo2,
  olmo3,
  olmoe,
  qwen2,
  qwen2moe,
  qwen3,
  qwen3moe,
  qwen2vl,
  qwen3vl,
  qwen3vlmoe,
  qwen3next,
  qwen35,
  qwen35moe,
  smollm3,
  internlm3,
  seedOss,
  arcee,
  exaone4,
  hunyuanDense,
  hunyuanMoe,
  minicpm,
  commandR,
  cohere2,
  deepseek2,
  deepseek32,
  ernie45,
  ernie45moe,
  falcon,
  falconH1,
  glm,
  glm4,
  glm4moe,
  gpt2,
  gptneox,
  lfm2,
  lfm2moe,
  mamba2,
  minimaxM2,
  nemotron,
  nemotronH,
  nemotronHMoe,
  granite,
  graniteMoe,
  graniteHybrid,
  graniteAttention,
  graniteAttentionMoe,
  gptOss,
  phi2,
  phi3,
  stablelm,
  starcoder2,
  bert,
  roberta,
  modernBert,
  nomicBert,
];

/** Whether there is a description for a config.json. */
export const isDescribed = (config: Readonly<Record<string, unknown>>): boolean =>
  describing(architectures, config) !== undefined;

/**
 * The description that fits a config.json: by the first of its `architectures`, else by `model_type`.
 * @throws QuantscopeError UNSUPPORTED naming the architecture and where a description can be added.
 */
export function architectureFor(
  config: Readonly<Record<string, unknown>>,
  file: string,
): ArchitectureDescription {
  const found = describing(architectures, config);
  if (found) return found;
  const names = [...new Set(architectures.flatMap(({ classes }) => Object.keys(classes)))].sort();
  const type = config['model_type'];
  const asked = listedClass(config) ?? (typeof type === 'string' ? JSON.stringify(type) : undefined);
  const problem =
    asked !== undefined
      ? said`There is no description of the architecture ${asked}, so its tensors cannot be named for GGUF.${suggestion(asked, names)}`
      : said`"model_type" ${stated(type)}, and no class is listed in "architectures", so the tensors cannot be named for GGUF.`;
  const message = said`${problem} README.md lists the architectures that have one, and docs/ADDING-A-MODEL.md says how to add one. Any GGUF file can be exported.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/**
 * How a model of this `general.architecture` computes.
 * @throws QuantscopeError UNSUPPORTED naming what can be run.
 */
export function forwardOf(architecture: string, file: string): ForwardTraits {
  const forward = architectures.find(
    (description) => description.name === architecture && description.forward,
  )?.forward;
  if (forward) return forward;
  const names = [
    ...new Set(architectures.flatMap(({ name, forward, embeds }) => (forward && !embeds ? [name] : []))),
  ].sort();
  const message =
    architecture === ''
      ? said`The file does not state its architecture ("general.architecture").`
      : said`Models of the architecture "${architecture}" cannot be run.${suggestion(architecture, names)} Those of ${names.length} architectures can: ${names.join(', ')}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

/** How an encoder of this `general.architecture` embeds texts; undefined for other architectures. */
export const encoderOf = (architecture: string): EncoderTraits | undefined =>
  architectures.find(({ name, encodes }) => encodes && name === architecture)?.encodes;

/** @throws QuantscopeError UNSUPPORTED for a checkpoint whose tensors are codes and scales, naming the layout. */
export function refuseQuantized(tensors: readonly TensorDescriptor[], file: string): void {
  const layout = quantizedLayoutOf({ tensors });
  if (!layout) return;
  const { name, tensors: count, advice } = layout;
  const otherwise = advice === undefined ? '' : `; ${advice}`;
  const matrices = count === 1 ? 'one matrix is' : `${plural(count, 'matrix', 'matrices')} are`;
  const message = said`The checkpoint is already quantized: ${matrices} stored in the layout ${name}, which cannot be decoded yet. Export the original weights${otherwise}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
