import type { ConfigReader } from '../configReader';
import { sharedHeadSize } from '../decoder';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { encoderKeyValues, maskedWordHead, type Encoder } from './encoderParts';
import type { KeyValue } from '../../model/keyValue';
import { f32, text, u32 } from '../keyValues';
import { ropeKind } from '../rope';
import { slidingLayers } from '../slidingWindow';
import { said } from '../../protocol/said';

/** One layer in so many attends to everything, beginning with the first, unless a key says otherwise. */
const usualPeriod = 3;

/** ModernBERT: rotary embedding, gated feed-forward networks, most layers with a window to both sides. */
export const modernBert: ArchitectureDescription = {
  name: 'modern-bert',
  family: 'ModernBERT',
  classes: { ModernBertModel: 'modernbert', ModernBertForMaskedLM: 'modernbert' },
  embeds: true,
  encodes: { activation: 'gelu' },
  convert(config) {
    config.expect('hidden_activation', 'gelu', 'gelu', 'gelu_pytorch_tanh', 'silu');
    for (const key of ['norm_bias', 'attention_bias', 'mlp_bias']) config.expect(key, false, false);
    ignoreHead(config);
    const hiddenSize = config.integer('hidden_size', 768);
    const heads = config.count('num_attention_heads', 12);
    sharedHeadSize(config, hiddenSize, heads);
    const encoder: Encoder = {
      ...{ hiddenSize, heads },
      blocks: config.layers('num_hidden_layers', 22),
      feedForwardSize: config.integer('intermediate_size', 1152),
      contextLength: config.integer('max_position_embeddings', 8192),
    };
    return {
      prefixes: ['model.'],
      leftOut: maskedWordHead,
      keyValues: [
        ...encoderKeyValues(config, encoder, ['norm_eps', 1e-5]),
        ...ropeKeyValues(config),
        ...windowKeyValues(config, encoder),
        ...(config.text('hidden_activation', 'gelu') === 'silu' ? [text('hidden_activation', 'silu')] : []),
      ],
      tensors: tensorRules(encoder),
    };
  },
};

/** Keys of heads, of training and of how it is computed; positions are always rotary. */
function ignoreHead(config: ConfigReader): void {
  config.known('classifier_activation', 'classifier_bias', 'classifier_pooling', 'decoder_bias');
  config.known('deterministic_flash_attn', 'reference_compile', 'repad_logits_with_grad', 'mlp_dropout');
  config.known('sparse_pred_ignore_index', 'sparse_prediction', 'initializer_cutoff_factor');
  config.known('layer_norm_eps', 'position_embedding_type', 'tie_word_embeddings');
}

/** The bases of layers that attend to everything and of those with a window, which transformers 5 keeps by kind of layer. */
function ropeKeyValues(config: ConfigReader): KeyValue[] {
  const kinds = config.inner('rope_parameters');
  const theta = (kind: string, key: string, fallback: number): number => {
    const parameters = kinds?.inner(kind);
    if (parameters && ropeKind(parameters) !== 'default')
      throw parameters.unsupported(said`Rope scaling cannot be exported for this architecture.`);
    return parameters?.has('rope_theta') ? parameters.number('rope_theta') : config.number(key, fallback);
  };
  const full = theta('full_attention', 'global_rope_theta', 160_000);
  const local = theta(
    'sliding_attention',
    'local_rope_theta',
    config.isNull('local_rope_theta') ? full : 10_000,
  );
  return [f32('rope.freq_base', full), f32('rope.freq_base_swa', local)];
}

/** @throws QuantscopeError UNSUPPORTED for an order of layers that GGUF cannot express. */
function windowKeyValues(config: ConfigReader, { blocks }: Encoder): KeyValue[] {
  const stated = config.integer('global_attn_every_n_layers', usualPeriod);
  const layers = slidingLayers(config, blocks, (layer) => layer % stated !== 0);
  const size = config.integer('local_attention', 128);
  if (!layers.includes(true)) return [];
  const next = layers.indexOf(false, 1);
  const period = next < 0 ? Math.max(stated, blocks) : next;
  if (!layers.every((slides, layer) => slides === (layer % period !== 0)))
    throw config.unsupported(
      said`Layers with a sliding window do not repeat in the order that GGUF can express: one without, then a fixed number with.`,
    );
  return [
    u32('attention.sliding_window', size),
    ...(period === usualPeriod ? [] : [u32('attention.sliding_window_pattern', period)]),
  ];
}

function tensorRules({ blocks, hiddenSize, feedForwardSize }: Encoder): Conversion['tensors'] {
  const norm = (from: string, to: string): Part => ({ from, to, shape: [hiddenSize] });
  return [
    ...partRules([
      { from: 'embeddings.tok_embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
      norm('embeddings.norm', 'token_embd_norm'),
      norm('final_norm', 'output_norm'),
    ]),
    blockRules('layers', blocks, (block) => [
      // The embedding's norm takes the place of the first block's.
      ...(block === 0 ? [] : [norm('attn_norm', 'attn_norm')]),
      { from: 'attn.Wqkv', to: 'attn_qkv', shape: [3 * hiddenSize, hiddenSize] },
      { from: 'attn.Wo', to: 'attn_output', shape: [hiddenSize, hiddenSize] },
      norm('mlp_norm', 'ffn_norm'),
      { from: 'mlp.Wi', to: 'ffn_up', shape: [2 * feedForwardSize, hiddenSize] },
      { from: 'mlp.Wo', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
    ]),
  ];
}
