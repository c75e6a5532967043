import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';
import { ropeKind, ropeParameters } from '../rope';
import { convertLatent } from './latentModel';
import { said } from '../../protocol/said';

/**
 * DeepSeek V3.2: V3 whose queries see only so many tokens, those that an indexer scores highest (DeepSeek-AI 2025, section 2.1). In texts of
 * no more tokens these are all, and the indexer changes nothing.
 */
export const deepseek32: ArchitectureDescription = {
  name: 'deepseek32',
  family: 'DeepSeek V3.2',
  remark: 'run with texts of up to as many tokens as its attention selects (2,048)',
  classes: { DeepseekV32ForCausalLM: 'deepseek_v32' },
  forward: {
    ...{ rotation: 'pairs', activation: 'silu', mixers: ['latentAttention'] },
    ownParts: [
      'exp_probs_b.bias',
      'indexer.attn_q_b.weight',
      'indexer.attn_k.weight',
      'indexer.k_norm.weight',
      'indexer.k_norm.bias',
      'indexer.proj.weight',
    ],
    selectsTokens: true,
  },
  convert(config) {
    if (config.isNull('q_lora_rank'))
      throw config.unsupported(said`"q_lora_rank" is null; the indexer takes compressed queries.`);
    // Where it is another, llama.cpp rotates with another magnitude in this architecture.
    if (ropeKind(ropeParameters(config)) === 'yarn') ropeParameters(config)?.expect('mscale_all_dim', 1, 1);
    const heads = config.count('index_n_heads', 64);
    const size = config.integer('index_head_dim', 128);
    return convertLatent(config, 'deepseek_v3', ({ hiddenSize, queryRank }) => ({
      keyValues: [
        u32('attention.indexer.head_count', heads),
        u32('attention.indexer.key_length', size),
        u32('attention.indexer.top_k', config.integer('index_topk', 2048)),
      ],
      parts: [
        { from: 'self_attn.indexer.wq_b', to: 'indexer.attn_q_b', shape: [heads * size, queryRank] },
        { from: 'self_attn.indexer.wk', to: 'indexer.attn_k', shape: [size, hiddenSize] },
        { from: 'self_attn.indexer.k_norm', to: 'indexer.k_norm', shape: [size], bias: 'required' },
        { from: 'self_attn.indexer.weights_proj', to: 'indexer.proj', shape: [heads, hiddenSize] },
      ],
    }));
  },
};
