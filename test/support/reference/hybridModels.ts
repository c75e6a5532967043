import type { Checkpoint } from './checkpoint';
import { decoder, gated, rms, sequential, type Layer, type Model } from './decoder';
import { deltaNet, gatedAttention } from './deltaNet';
import { qwenExperts } from './experts';
import { falconH1 } from './falconH1';
import { mamba2Model } from './mamba2';

/** Gated delta nets with gated attention in turn, norms of 1 + w. */
function deltaDecoder(checkpoint: Checkpoint, mlp: (prefix: string) => Layer): Model {
  const types = checkpoint.config['layer_types'] as readonly string[] | undefined;
  return decoder(
    checkpoint,
    (index, prefix) => {
      const interval = checkpoint.number('full_attention_interval', 4);
      const isFull = types ? types[index] === 'full_attention' : (index + 1) % interval === 0;
      const mixer = isFull
        ? gatedAttention(checkpoint, `${prefix}.self_attn`)
        : deltaNet(checkpoint, `${prefix}.linear_attn`);
      return sequential(mixer, mlp(prefix), {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`, 1),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`, 1),
      });
    },
    1,
  );
}

const withMlp = (checkpoint: Checkpoint): Model =>
  deltaDecoder(checkpoint, (prefix) => gated(checkpoint, `${prefix}.mlp`));
const withExperts = (checkpoint: Checkpoint): Model =>
  deltaDecoder(checkpoint, qwenExperts(checkpoint, true));

/** Models whose layers are not all attention, by class. */
export const hybridModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  FalconH1ForCausalLM: falconH1,
  Mamba2ForCausalLM: mamba2Model,
  Qwen3NextForCausalLM: withExperts,
  Qwen3_5ForCausalLM: withMlp,
  Qwen3_5ForConditionalGeneration: withMlp,
  Qwen3_5MoeForCausalLM: withExperts,
};
