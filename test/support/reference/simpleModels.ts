import type { Checkpoint } from './checkpoint';
import {
  attention,
  decoder,
  gated,
  headSizeOf,
  linear,
  rms,
  sequential,
  upDown,
  usualAttention,
  type AttentionParts,
  type Layer,
  type Model,
} from './decoder';
import { expertLayers, experts } from './experts';
import { add, largest, scale, softmax } from './math';
import { frequencies, rotationOf } from './rope';

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
const inPairs = (checkpoint: Checkpoint): Pick<AttentionParts, 'rotation'> => ({
  rotation: { ...rotationOf(checkpoint.config, headSizeOf(checkpoint)), layout: 'pairs' },
});

const ernie = (checkpoint: Checkpoint): Model => llamaWith(checkpoint, inPairs(checkpoint));

/** A bias takes part in the choice of experts, whose shares add up to 1. */
function ernieExperts(checkpoint: Checkpoint, mlp: string): Layer {
  const all = expertLayers(checkpoint, `${mlp}.experts`, checkpoint.number('moe_num_experts'));
  const router = linear(checkpoint, `${mlp}.gate`);
  const bias = checkpoint.vector(`${mlp}.moe_statics.e_score_correction_bias`);
  const shared = gated(checkpoint, `${mlp}.shared_experts`);
  return (x) => {
    const shares = softmax(router(x));
    const best = largest(add(shares, bias), checkpoint.number('moe_k'));
    const sum = best.reduce((total, expert) => total + shares[expert]!, 0);
    return best.map((expert) => scale(all[expert]!(x), shares[expert]! / sum)).reduce(add, shared(x));
  };
}

const ernieMoe = (checkpoint: Checkpoint): Model =>
  decoder(checkpoint, (index, prefix) =>
    sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, inPairs(checkpoint))),
      index < checkpoint.number('moe_layer_start_index')
        ? gated(checkpoint, `${prefix}.mlp`)
        : ernieExperts(checkpoint, `${prefix}.mlp`),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    ),
  );

/** The feed-forward network has no gate. */
const arcee = (checkpoint: Checkpoint): Model =>
  decoder(checkpoint, (_, prefix) =>
    sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`)),
      upDown(checkpoint, `${prefix}.mlp.up_proj`, `${prefix}.mlp.down_proj`, 'relu2'),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    ),
  );

/** Norms after the parts of a block; layers without a window have no positions where others have one. */
const exaone4 = (checkpoint: Checkpoint): Model =>
  decoder(checkpoint, (index, prefix) => {
    const window = checkpoint.config['sliding_window'] as number | null;
    const types = checkpoint.config['layer_types'] as readonly string[] | undefined;
    const slides = types?.[index] === 'sliding_attention';
    const change: Partial<AttentionParts> = {
      normQ: rms(checkpoint, `${prefix}.self_attn.q_norm`),
      normK: rms(checkpoint, `${prefix}.self_attn.k_norm`),
      ...(window !== null && slides ? { options: { window } } : {}),
      ...(window !== null && !slides ? { rotation: undefined } : {}),
    };
    return sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, change)),
      gated(checkpoint, `${prefix}.mlp`),
      {
        afterAttention: rms(checkpoint, `${prefix}.post_attention_layernorm`),
        afterMlp: rms(checkpoint, `${prefix}.post_feedforward_layernorm`),
      },
    );
  });

/** Heads are normed after their rotation, whose theta depends on "alpha" (DynamicNTKAlphaRotary). */
const hunyuan = (
  checkpoint: Checkpoint,
  mlp: (prefix: string) => Layer = (prefix) => gated(checkpoint, prefix),
): Model => {
  const size = headSizeOf(checkpoint);
  const { rope_scaling: scaling, rope_theta: theta } = checkpoint.config as {
    readonly rope_scaling?: { readonly alpha?: number };
    readonly rope_theta: number;
  };
  const { alpha } = scaling ?? {};
  const base = alpha === undefined ? theta : theta * alpha ** (size / (size - 2));
  const rotation = { frequencies: frequencies(base, size), layout: 'half', magnitude: 1 } as const;
  return decoder(checkpoint, (_, prefix) => {
    const norm = (side: string) => rms(checkpoint, `${prefix}.self_attn.${side}_layernorm`);
    const norms = { normQ: norm('query'), normK: norm('key'), normsRotated: true };
    return sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, { rotation, ...norms })),
      mlp(`${prefix}.mlp`),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    );
  });
};

/** All tokens go through a shared network, too. */
const hunyuanMoe = (checkpoint: Checkpoint): Model =>
  hunyuan(checkpoint, (mlp) => {
    const all = expertLayers(checkpoint, `${mlp}.experts`, checkpoint.number('num_experts'));
    const [used = 1] = checkpoint.config['moe_topk'] as readonly number[];
    const routed = experts(linear(checkpoint, `${mlp}.gate.wg`), all, used, { normalize: true });
    const shared = gated(checkpoint, `${mlp}.shared_mlp`);
    return (x) => add(routed(x), shared(x));
  });

/** Factors of embeddings, of what each part adds, and of the states before the output. */
const minicpm = (checkpoint: Checkpoint): Model => {
  const share = checkpoint.number('scale_depth') / Math.sqrt(checkpoint.number('num_hidden_layers'));
  const added: Layer = (x) => scale(x, share);
  const model = decoder(checkpoint, (_, prefix) =>
    sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`)),
      gated(checkpoint, `${prefix}.mlp`),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        afterAttention: added,
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
        afterMlp: added,
      },
    ),
  );
  const width = checkpoint.number('hidden_size') / checkpoint.number('dim_model_base');
  return {
    ...model,
    embed: (token, position) => scale(model.embed(token, position), checkpoint.number('scale_emb')),
    output: (x) => model.output(scale(x, 1 / width)),
  };
};

/** By class. */
export const simpleModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  SeedOssForCausalLM: (checkpoint) => llamaWith(checkpoint),
  InternLM3ForCausalLM: (checkpoint) => llamaWith(checkpoint),
  Ernie4_5ForCausalLM: ernie,
  Ernie4_5_MoeForCausalLM: ernieMoe,
  ArceeForCausalLM: arcee,
  MiniCPMForCausalLM: minicpm,
  Exaone4ForCausalLM: exaone4,
  HunYuanDenseV1ForCausalLM: (checkpoint) => hunyuan(checkpoint),
  HunYuanMoEV1ForCausalLM: hunyuanMoe,
};
