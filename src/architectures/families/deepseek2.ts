import type { ConfigReader } from '../configReader';
import type { ArchitectureDescription } from '../description';
import { convertLatent } from './latentModel';

/**
 * DeepSeek V2 and V3, Kimi K2, GLM-4.7-Flash: attention over a compressed key and value (MLA, DeepSeek-AI 2024), and experts after some dense blocks.
 * llama.cpp multiplies queries by the decompression of keys, so that matrix is cut off and transposed for each head; both it
 * and transformers rotate neighbouring pairs. Layers that predict further tokens are left out.
 */
export const deepseek2: ArchitectureDescription = {
  name: 'deepseek2',
  family: 'DeepSeek V2, V3, R1, Kimi K2, GLM-4.7-Flash',
  remark: 'with groups of experts (V2, 236B) llama.cpp picks a few experts differently',
  classes: {
    DeepseekV2ForCausalLM: 'deepseek_v2',
    DeepseekV3ForCausalLM: 'deepseek_v3',
    KimiK2ForCausalLM: 'kimi_k2',
    Glm4MoeLiteForCausalLM: 'glm4_moe_lite',
  },
  forward: {
    ...{ rotation: 'pairs', activation: 'silu', mixers: ['latentAttention'] },
    ownParts: ['exp_probs_b.bias'],
  },
  convert: (config) => convertLatent(config, classOf(config)),
};

/** Which of the classes a config.json is of. */
function classOf(config: ConfigReader): Parameters<typeof convertLatent>[1] {
  if (config.isOf('Glm4MoeLiteForCausalLM', 'glm4_moe_lite')) return 'glm4_moe_lite';
  const isThird =
    config.isOf('DeepseekV3ForCausalLM', 'deepseek_v3') || config.isOf('KimiK2ForCausalLM', 'kimi_k2');
  return isThird ? 'deepseek_v3' : 'deepseek_v2';
}
