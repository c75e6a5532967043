import type { Checkpoint } from './checkpoint';
import {
  attention,
  decoder,
  gated,
  headSizeOf,
  rms,
  sequential,
  usualAttention,
  type AttentionParts,
  type Model,
} from './decoder';
import { rotationOf } from './rope';

/** Llama's block with changes of its attention. */
const llamaWith = (checkpoint: Checkpoint, change: Partial<AttentionParts> = {}): Model =>
  decoder(checkpoint, (_, prefix) =>
    sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, change)),
      gated(checkpoint, `${prefix}.mlp`),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    ),
  );

/** Neighbouring entries of a head are a pair. */
const ernie = (checkpoint: Checkpoint): Model =>
  llamaWith(checkpoint, {
    rotation: { ...rotationOf(checkpoint.config, headSizeOf(checkpoint)), layout: 'pairs' },
  });

/** By class. */
export const simpleModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  SeedOssForCausalLM: (checkpoint) => llamaWith(checkpoint),
  InternLM3ForCausalLM: (checkpoint) => llamaWith(checkpoint),
  Ernie4_5ForCausalLM: ernie,
};
