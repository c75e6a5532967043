import type { ConfigReader } from '../configReader';
import { attentionParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { readGranite, readGraniteExperts, sharedParts } from './graniteParts';
import { bool, u32, u32s } from '../keyValues';
import { layerTypes } from '../layerTypes';
import { checkGroups, expectFreeSteps, groupNote, mamba2KeyValues, mamba2Parts, type Mamba2 } from './mamba2';
import { said } from '../../protocol/said';

const classes = { GraniteMoeHybridForCausalLM: 'granitemoehybrid' };
const forward = { rotation: 'pairs', activation: 'silu', scales: true } as const;

type Config = Readonly<Record<string, unknown>>;
const statedTypes = (config: Config): unknown => config['layer_types'] ?? config['layers_block_type'];
const hasMixers = (config: Config): boolean => {
  const types = statedTypes(config);
  return !Array.isArray(types) || types.includes('mamba');
};
const hasExperts = ({ num_local_experts: count = 8 }: Config): boolean => count !== 0;

/** Granite 4: state space layers, and attention in some; with or without experts besides a network that all tokens go through. */
export const graniteHybrid: ArchitectureDescription = {
  name: 'granitehybrid',
  family: 'Granite 4 with state space layers',
  classes,
  forward: { ...forward, normalizedExperts: true, mixers: ['attention', 'mamba2'] },
  fits: hasMixers,
  convert: (config) => convertHybrid(config),
};

/** Granite 4 with attention in every layer is written as Granite 3. */
export const graniteAttention: ArchitectureDescription = {
  name: 'granite',
  family: 'Granite 4 without state space layers',
  classes,
  forward,
  fits: (config) => !hasExperts(config),
  convert: (config) => convertHybrid(config),
};

/** The same with experts. */
export const graniteAttentionMoe: ArchitectureDescription = {
  name: 'granitemoe',
  family: 'Granite 4 with experts, without state space layers',
  classes,
  forward: { ...forward, normalizedExperts: true },
  convert: (config) => convertHybrid(config),
};

function convertHybrid(config: ConfigReader): Conversion {
  config.expect('attention_bias', false, false);
  const granite = readGranite(config);
  const count = config.count('num_local_experts', 8, 0);
  const shared = config.integer('shared_intermediate_size', 1024);
  // Without experts, the network besides them is the only one.
  const decoder = count > 0 ? granite.decoder : { ...granite.decoder, feedForwardSize: shared };
  const experts = count > 0 ? readGraniteExperts(config, decoder) : { keyValues: [], parts: [] };
  const { blocks, hiddenSize, kvHeads } = decoder;
  const attends = attentionLayers(config, blocks);
  const mixer = attends.includes(false) ? readMixer(config, hiddenSize) : undefined;
  const rotated = rotates(config);
  if (count > 0 && !mixer && !rotated)
    throw config.unsupported(
      said`Experts and attention without positions in every layer cannot be exported: llama.cpp would rotate queries and keys.`,
    );
  const replaced = new Map([
    [
      'attention.head_count_kv',
      u32s(
        'attention.head_count_kv',
        attends.map((own) => (own ? kvHeads : 0)),
      ),
    ],
    ['feed_forward_length', u32('feed_forward_length', decoder.feedForwardSize)],
  ]);
  return {
    prefixes: ['model.'],
    ignored: usualIgnored,
    ...tiedOutput(decoder),
    ...(mixer ? { notes: groupNote(mixer.groups) } : {}),
    keyValues: [
      ...granite.keyValues.map((pair) =>
        mixer || pair.key === 'feed_forward_length' ? (replaced.get(pair.key) ?? pair) : pair,
      ),
      bool('rope.scaling.finetuned', rotated),
      ...experts.keyValues,
      ...(count > 0 ? [u32('expert_shared_feed_forward_length', shared)] : []),
      ...(mixer ? mamba2KeyValues(mixer) : []),
    ],
    tensors: [
      ...partRules(outerParts(decoder)),
      blockRules('layers', blocks, (block) => [
        ...normParts(decoder),
        ...(attends[block] || !mixer
          ? attentionParts(decoder, { interleaved: true })
          : mamba2Parts(mixer, hiddenSize, 'mamba')),
        ...experts.parts,
        ...sharedParts(decoder, shared, count > 0 ? '_shexp' : ''),
      ]),
    ],
  };
}

/** @throws QuantscopeError UNSUPPORTED for another kind of positions. */
function rotates(config: ConfigReader): boolean {
  config.expect('position_embedding_type', null, null, 'nope', 'rope');
  return config.has('position_embedding_type') && config.text('position_embedding_type') === 'rope';
}

/** By layer, whether it has attention. @throws QuantscopeError UNSUPPORTED for other kinds of layers, MODEL_FILE for too short a list. */
function attentionLayers(config: ConfigReader, blocks: number): boolean[] {
  const key = config.spelled('layer_types', 'layers_block_type');
  const types = layerTypes(config, blocks, ['attention', 'mamba'], () => 'mamba', key);
  return types.map((type) => type === 'attention');
}

function readMixer(config: ConfigReader, hiddenSize: number): Mamba2 {
  config.known('mamba_chunk_size');
  config.expect('mamba_conv_bias', true, true);
  config.expect('mamba_proj_bias', false, false);
  expectFreeSteps(config);
  const innerSize = config.integer('mamba_expand', 2) * hiddenSize;
  const heads = config.count('mamba_n_heads', 128);
  config.expect('mamba_d_head', 'auto', 'auto', innerSize / heads);
  const mixer: Mamba2 = {
    ...{ innerSize, heads },
    groups: config.integer('mamba_n_groups', 1),
    stateSize: config.integer('mamba_d_state', 256),
    kernel: config.integer('mamba_d_conv', 4),
  };
  checkGroups(config, 'mamba_n_groups', mixer);
  return mixer;
}
