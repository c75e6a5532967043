import type { ConfigReader } from '../configReader';
import { expectGelu, sharedHeadSize } from '../decoder';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { encoderKeyValues, layerNormParts, maskedWordHead, type Encoder } from './encoderParts';

/** BERT: learned positions, a norm after each part of a block. Its second type of tokens is not used for embeddings. */
export const bert: ArchitectureDescription = {
  name: 'bert',
  family: 'BERT',
  classes: { BertModel: 'bert', BertForMaskedLM: 'bert', BertForPreTraining: 'bert' },
  embeds: true,
  encodes: { activation: 'gelu', normsAfter: true },
  convert: (config) => convertBert(config, 0),
};

/** BERT whose positions begin after the id of the padding token; llama.cpp begins with the first row. */
export const roberta: ArchitectureDescription = {
  name: 'bert',
  family: 'RoBERTa, XLM-RoBERTa, CamemBERT',
  classes: {
    RobertaModel: 'roberta',
    RobertaForMaskedLM: 'roberta',
    XLMRobertaModel: 'xlm-roberta',
    XLMRobertaForMaskedLM: 'xlm-roberta',
    CamembertModel: 'camembert',
    CamembertForMaskedLM: 'camembert',
  },
  embeds: true,
  encodes: { activation: 'gelu', normsAfter: true },
  convert: (config) => convertBert(config, config.integer('pad_token_id', 1, 0) + 1),
};

/** @param firstPosition row of the table of positions that the first token of a text has. */
function convertBert(config: ConfigReader, firstPosition: number): Conversion {
  expectGelu(config, 'hidden_act', 'gelu');
  config.expect('position_embedding_type', 'absolute', 'absolute');
  config.expect('is_decoder', false, false);
  config.expect('add_cross_attention', false, false);
  config.known('directionality', 'output_past', 'tie_word_embeddings'); // of heads and of training
  config.known('pooler_fc_size', 'pooler_num_attention_heads', 'pooler_num_fc_layers');
  config.known('pooler_size_per_head', 'pooler_type');
  const hiddenSize = config.integer('hidden_size', 768);
  const heads = config.count('num_attention_heads', 12);
  sharedHeadSize(config, hiddenSize, heads);
  const positions = config.integer('max_position_embeddings', 512, firstPosition + 1);
  const tokenTypes = config.integer('type_vocab_size', 2);
  const encoder: Encoder = {
    ...{ hiddenSize, heads, contextLength: positions - firstPosition },
    blocks: config.layers('num_hidden_layers', 12),
    feedForwardSize: config.integer('intermediate_size', 3072),
  };
  return {
    prefixes: ['bert.', 'roberta.'],
    // The pooler feeds heads of classification; sentence-transformers pools states.
    ignored: [/^pooler\.dense\./, /^embeddings\.position_ids$/],
    leftOut: maskedWordHead,
    tokenTypes,
    keyValues: encoderKeyValues(config, encoder, ['layer_norm_eps', 1e-12]),
    tensors: [
      ...partRules([
        { from: 'embeddings.word_embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
        { from: 'embeddings.token_type_embeddings', to: 'token_types', shape: [tokenTypes, hiddenSize] },
        positionPart(encoder, positions),
        ...layerNormParts('embeddings.LayerNorm', 'token_embd_norm', hiddenSize),
      ]),
      blockRules('encoder.layer', encoder.blocks, () => blockParts(encoder)),
    ],
  };
}

/** The rows of the table of positions that texts have. */
function positionPart({ contextLength, hiddenSize }: Encoder, positions: number): Part {
  const part = { from: 'embeddings.position_embeddings', to: 'position_embd' };
  const shape = [contextLength, hiddenSize];
  if (positions === contextLength) return { ...part, shape };
  const rows = [{ first: positions - contextLength, count: contextLength }];
  return { ...part, shape, rule: { sourceShape: [positions, hiddenSize], rows } };
}

function blockParts({ hiddenSize, feedForwardSize }: Encoder): Part[] {
  const square = (from: string, to: string): Part => ({
    ...{ from, to, shape: [hiddenSize, hiddenSize], bias: 'required' },
  });
  return [
    square('attention.self.query', 'attn_q'),
    square('attention.self.key', 'attn_k'),
    square('attention.self.value', 'attn_v'),
    square('attention.output.dense', 'attn_output'),
    ...layerNormParts('attention.output.LayerNorm', 'attn_output_norm', hiddenSize),
    { from: 'intermediate.dense', to: 'ffn_up', shape: [feedForwardSize, hiddenSize], bias: 'required' },
    { from: 'output.dense', to: 'ffn_down', shape: [hiddenSize, feedForwardSize], bias: 'required' },
    ...layerNormParts('output.LayerNorm', 'layer_output_norm', hiddenSize),
  ];
}
