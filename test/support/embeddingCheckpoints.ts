import {
  architecture,
  block,
  blocks,
  headNorms,
  hidden,
  llamaConfig,
  newer,
  outer,
  withoutHead,
  type CheckpointSpec,
  type ModuleSpec,
} from './checkpointParts';
import { checkpoints } from './checkpoints';
import { encoderCheckpoints } from './encoderCheckpoints';

/** A module of sentence-transformers. */
export const module = (name: string, path: string, rest: Partial<ModuleSpec> = {}): ModuleSpec => ({
  type: `sentence_transformers.models.${name}`,
  path,
  ...rest,
});

/** A dense layer without activation. */
export const dense = (path: string, from: number, to: number, change: object = {}): ModuleSpec =>
  module('Dense', path, {
    config: {
      ...{ in_features: from, out_features: to, bias: false },
      activation_function: 'torch.nn.modules.linear.Identity',
      ...change,
    },
    shapes: { 'linear.weight': [to, from] },
  });

export const pooled = (mode: string): ModuleSpec[] => [
  module('Transformer', ''),
  module('Pooling', '1_Pooling', {
    config: { word_embedding_dimension: hidden, [`pooling_mode_${mode}`]: true },
  }),
];

/** Encoders as sentence-transformers publishes them: some take the state of the first token, some the mean. */
const pooledBy = (specs: Readonly<Record<string, CheckpointSpec>>): Record<string, CheckpointSpec> =>
  Object.fromEntries(
    Object.entries(specs).map(([name, spec], index) => [
      name,
      { ...spec, modules: pooled(index % 2 === 0 ? 'cls_token' : 'mean_tokens') },
    ]),
  );

const gemma3 = checkpoints['gemma3']!;
const embeddingGemma: CheckpointSpec = {
  ...newer(gemma3, {
    ...architecture('Gemma3TextModel', 'gemma3_text'),
    ...{ use_bidirectional_attention: true, sliding_window: 17, tie_word_embeddings: true },
  }),
  shapes: withoutHead(gemma3.shapes),
  modules: [
    ...pooled('mean_tokens'),
    dense('2_Dense', hidden, 160),
    dense('3_Dense', 160, hidden),
    module('Normalize', '4_Normalize'),
  ],
};

const llamaBlocks = withoutHead({ ...outer(true), ...blocks(2, block()) });
const qwen3Config = {
  ...llamaConfig(architecture('Qwen3Model', 'qwen3')),
  ...{ head_dim: 32, rms_norm_eps: 1e-6, rope_theta: 1_000_000, tie_word_embeddings: true },
};
const qwen3Shapes = withoutHead({
  ...outer(true),
  ...blocks(2, { ...block({ head: 32 }), ...headNorms(32) }),
});

/** Models that embed texts: tokens see later ones, or states are pooled, or both. llama.cpp gives no logits for some. */
export const embeddingCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  ...pooledBy(encoderCheckpoints),
  EmbeddingGemma: embeddingGemma,
  'EmbeddingGemma without dense layers': { ...embeddingGemma, modules: pooled('lasttoken') },
  'EmbeddingGemma with another order of layers': newer(
    embeddingGemma,
    { _sliding_window_pattern: 3 },
    'sliding_window_pattern',
  ),
  'Qwen3 Embedding': { config: qwen3Config, shapes: qwen3Shapes, modules: pooled('lasttoken') },
  'qwen3, not causal': {
    config: { ...qwen3Config, is_causal: false },
    shapes: qwen3Shapes,
    modules: pooled('mean_tokens'),
  },
  'llama, not causal': {
    config: { ...llamaConfig(architecture('LlamaModel', 'llama')), is_causal: false },
    shapes: llamaBlocks,
    modules: pooled('mean_tokens'),
  },
  'llama, bidirectional by its class': {
    config: llamaConfig({ ...architecture('LlamaBidirectionalModel', 'llama_bidirec'), pooling: 'avg' }),
    shapes: llamaBlocks,
    modules: pooled('mean_tokens'),
  },
};
