import type { Checkpoint } from './checkpoint';
import {
  attention,
  decoder,
  gated,
  linear,
  rms,
  sequential,
  usualAttention,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { experts, fusedExperts, halves } from './experts';
import { graniteMixer } from './mamba2';
import { add, scale } from './math';

/** Embeddings, scores and what each part adds are multiplied by factors of config.json, logits divided by one. */
export function scaledDecoder(
  checkpoint: Checkpoint,
  mlp: (prefix: string) => Layer,
  mixer: (prefix: string, index: number) => Block = (prefix) => scaledAttention(checkpoint, prefix),
): Model {
  const added: Layer = (x) => scale(x, checkpoint.number('residual_multiplier', 1));
  const model = decoder(checkpoint, (index, prefix) =>
    sequential(mixer(prefix, index), mlp(prefix), {
      beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
      afterAttention: added,
      beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      afterMlp: added,
    }),
  );
  return {
    ...model,
    embed: (token, position) =>
      scale(model.embed(token, position), checkpoint.number('embedding_multiplier', 1)),
    output: (x) => scale(model.output(x), 1 / checkpoint.number('logits_scaling', 1)),
  };
}

export function scaledAttention(checkpoint: Checkpoint, prefix: string, rotates = true): Block {
  const options = { scale: checkpoint.number('attention_multiplier', 1) };
  const change = { options, ...(rotates ? {} : { rotation: undefined }) };
  return attention(usualAttention(checkpoint, `${prefix}.self_attn`, change));
}

/** Experts, and the network besides them, where the checkpoint has either. */
export function graniteMlp(checkpoint: Checkpoint): (prefix: string) => Layer {
  return (prefix) => {
    const moe = `${prefix}.block_sparse_moe`;
    const named = `${prefix}.shared_mlp`;
    const shared = checkpoint.has(`${named}.input_linear.weight`)
      ? halves(
          checkpoint.tensor(`${named}.input_linear.weight`),
          checkpoint.tensor(`${named}.output_linear.weight`),
        )
      : undefined;
    if (!checkpoint.has(`${moe}.router.layer.weight`)) return shared!;
    const names = { both: 'input_linear.weight', down: 'output_linear.weight' };
    const all = fusedExperts(checkpoint, moe, checkpoint.number('num_local_experts'), names);
    const used = checkpoint.number('num_experts_per_tok');
    const routed = experts(linear(checkpoint, `${moe}.router.layer`), all, used, { normalize: true });
    return shared ? (x) => add(routed(x), shared(x)) : routed;
  };
}

/** By class. */
export const graniteModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  GraniteForCausalLM: (checkpoint) =>
    scaledDecoder(checkpoint, (prefix) => gated(checkpoint, `${prefix}.mlp`)),
  GraniteMoeForCausalLM: (checkpoint) => scaledDecoder(checkpoint, graniteMlp(checkpoint)),
  GraniteMoeHybridForCausalLM: (checkpoint) => {
    const types = checkpoint.config['layer_types'] as readonly string[];
    const rotates = checkpoint.config['position_embedding_type'] === 'rope';
    return scaledDecoder(checkpoint, graniteMlp(checkpoint), (prefix, index) =>
      types[index] === 'mamba'
        ? graniteMixer(checkpoint, prefix)
        : scaledAttention(checkpoint, prefix, rotates),
    );
  },
  GraniteMoeSharedForCausalLM: (checkpoint) => scaledDecoder(checkpoint, graniteMlp(checkpoint)),
};
