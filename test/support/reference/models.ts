import { headsOf } from './attention';
import { gemma3n } from './gemma3n';
import { gemma4 } from './gemma4';
import { glmBlock, glmMixtureBlock } from './glm';
import { encoderModels } from './encoders';
import { gpt2, gptNeoX } from './gpt';
import { gptOssBlock } from './gptOss';
import { graniteModels } from './granite';
import { lfm2Models } from './lfm2';
import { newerModels } from './newerModels';
import { hybridModels } from './hybridModels';
import { latentAttention } from './latentAttention';
import { biasedExperts, expertLayers, experts, qwenExperts } from './experts';
import type { Checkpoint, Config } from './checkpoint';
import {
  attention,
  blocksOf,
  decoder,
  embedding,
  gated,
  headSizeOf,
  isCausal,
  layer,
  linear,
  parallel,
  rms,
  run,
  sequential,
  statesOf,
  upDown,
  usualAttention,
  type AttentionParts,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { simpleModels } from './simpleModels';
import { add, layerNorm, multiply, rowsOf, scale, type Tensor, type Vector } from './math';
import { rotationOf, turnedOf } from './rope';
import { consolidatedModel, llama4Block, tempered, transposedExperts } from './wrapped';

/** Logits of every position of a text, by the definitions of transformers' modeling files. */
export function referenceLogits(checkpoint: Checkpoint, tokens: readonly number[]): Vector[] {
  return run(modelOf(checkpoint, tokens.length), tokens);
}

/**
 * The same of a text with vectors in place of some tokens.
 * @param added as for `statesOf`.
 */
export function logitsAround(
  checkpoint: Checkpoint,
  sequence: readonly (number | Vector)[],
  added: readonly (readonly (Vector | undefined)[])[],
): Vector[] {
  const model = modelOf(checkpoint, sequence.length);
  return statesOf(model, sequence, added).map((state) => model.output(state));
}

function modelOf(checkpoint: Checkpoint, textLength: number): Model {
  const [name = ''] = checkpoint.config['architectures'] as string[];
  const model = models[name];
  if (!model) throw new Error(`There is no reference for ${name}.`);
  return model(checkpoint, textLength);
}

/** How sentence-transformers makes one vector of the states of a text. */
export interface EmbeddingSteps {
  readonly pooling: 'mean' | 'last' | 'first';
  /** Matrices that the pooled vector goes through. */
  readonly dense: readonly Tensor[];
}

/** The embedding of a text, not normalized. */
export function referenceEmbedding(
  checkpoint: Checkpoint,
  tokens: readonly number[],
  { pooling, dense }: EmbeddingSteps,
): Vector {
  const states = statesOf(modelOf(checkpoint, tokens.length), tokens);
  const mean = (): Vector => scale(states.reduce(add), 1 / states.length);
  const pooled = { mean, first: () => states[0]!, last: () => states.at(-1)! }[pooling]();
  return dense.reduce((vector, matrix) => multiply(matrix, vector), pooled);
}

type Change = (index: number, prefix: string) => Partial<AttentionParts>;

/** Llama's block, with changes of the attention and another feed-forward network where there is one. */
function llama(
  checkpoint: Checkpoint,
  change: Change = () => ({}),
  mlp: (prefix: string, index: number) => Layer = (prefix) => gated(checkpoint, `${prefix}.mlp`),
): Model {
  return decoder(checkpoint, (index, prefix) =>
    sequential(
      attention(usualAttention(checkpoint, `${prefix}.self_attn`, change(index, prefix))),
      mlp(prefix, index),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    ),
  );
}

/** Every layer sees a window only, where config.json has one. */
const windowed =
  (checkpoint: Checkpoint): Change =>
  () => ({ options: { window: checkpoint.number('sliding_window', Infinity) } });

/** Qwen 2 turns its window on, for the layers after a given one. */
const lateWindow =
  (checkpoint: Checkpoint): Change =>
  (index) =>
    checkpoint.config['use_sliding_window'] === true && index >= checkpoint.number('max_window_layers')
      ? { options: { window: checkpoint.number('sliding_window') } }
      : {};

function mixtral(checkpoint: Checkpoint): Model {
  const names = { gate: 'w1', up: 'w3', down: 'w2' };
  return llama(checkpoint, windowed(checkpoint), (prefix) => {
    const moe = `${prefix}.block_sparse_moe`;
    const all = Array.from({ length: checkpoint.number('num_local_experts') }, (_, i) =>
      gated(checkpoint, `${moe}.experts.${i}`, 'silu', names),
    );
    const used = checkpoint.number('num_experts_per_tok');
    return experts(linear(checkpoint, `${moe}.gate`), all, used, { normalize: true });
  });
}

const headNorms =
  (checkpoint: Checkpoint, offset = 0): Change =>
  (_, prefix) => ({
    normQ: rms(checkpoint, `${prefix}.self_attn.q_norm`, offset),
    normK: rms(checkpoint, `${prefix}.self_attn.k_norm`, offset),
  });

/** Gemma: norms of 1 + w, a scaled embedding, tanh-GELU, a tied output. */
function gemma(checkpoint: Checkpoint, block: (index: number, prefix: string) => Block): Model {
  const model = decoder(checkpoint, block, 1);
  const factor = Math.sqrt(checkpoint.number('hidden_size'));
  return { ...model, embed: (token, position) => scale(model.embed(token, position), factor) };
}

const gemmaMlp = (checkpoint: Checkpoint, prefix: string): Layer =>
  gated(checkpoint, `${prefix}.mlp`, 'gelu_pytorch_tanh');

/** Norms before and after attention and feed-forward network. */
function sandwich(checkpoint: Checkpoint, prefix: string, change: Partial<AttentionParts>): Block {
  const norm = (name: string): Layer => rms(checkpoint, `${prefix}.${name}`, 1);
  return sequential(
    attention(usualAttention(checkpoint, `${prefix}.self_attn`, change)),
    gemmaMlp(checkpoint, prefix),
    {
      beforeAttention: norm('input_layernorm'),
      afterAttention: norm('post_attention_layernorm'),
      beforeMlp: norm('pre_feedforward_layernorm'),
      afterMlp: norm('post_feedforward_layernorm'),
    },
  );
}

function gemma2(checkpoint: Checkpoint): Model {
  const scaleOfScores = checkpoint.number('query_pre_attn_scalar') ** -0.5;
  const model = gemma(checkpoint, (index, prefix) =>
    sandwich(checkpoint, prefix, {
      options: {
        scale: scaleOfScores,
        softcap: checkpoint.number('attn_logit_softcapping'),
        ...(index % 2 === 0 ? { window: checkpoint.number('sliding_window') } : {}),
      },
    }),
  );
  const cap = checkpoint.number('final_logit_softcapping');
  return { ...model, output: (x) => model.output(x).map((value) => cap * Math.tanh(value / cap)) };
}

function gemma3(checkpoint: Checkpoint): Model {
  const size = headSizeOf(checkpoint);
  /** transformers 5 has rope parameters for each kind of layer. */
  const parameters = checkpoint.config['rope_parameters'] as Readonly<Record<string, Config>> | undefined;
  const local = rotationOf(
    { rope_theta: checkpoint.config['rope_local_base_freq'], ...parameters?.['sliding_attention'] },
    size,
  );
  const global = rotationOf(
    parameters ? { rope_parameters: parameters['full_attention'] } : checkpoint.config,
    size,
    { defaultTheta: 1_000_000 },
  );
  const pattern = checkpoint.number(
    'sliding_window_pattern',
    checkpoint.number('_sliding_window_pattern', 6),
  );
  const types = checkpoint.config['layer_types'] as readonly string[] | undefined;
  return gemma(checkpoint, (index, prefix) => {
    const isLocal = types ? types[index] === 'sliding_attention' : (index + 1) % pattern !== 0;
    return sandwich(checkpoint, prefix, {
      ...headNorms(checkpoint, 1)(index, prefix),
      rotation: isLocal ? local : global,
      options: {
        scale: checkpoint.number('query_pre_attn_scalar') ** -0.5,
        ...(isCausal(checkpoint)
          ? isLocal && { window: checkpoint.number('sliding_window') }
          : { reach: isLocal ? Math.floor(checkpoint.number('sliding_window') / 2) : Infinity }),
      },
    });
  });
}

function phi3(checkpoint: Checkpoint, textLength: number): Model {
  const size = headSizeOf(checkpoint);
  const rotation = rotationOf(checkpoint.config, turnedOf(checkpoint.config, size, 1), { textLength });
  const heads = checkpoint.number('num_attention_heads');
  const kvHeads = checkpoint.number('num_key_value_heads');
  const wide = checkpoint.number('intermediate_size');
  return decoder(checkpoint, (_, prefix) => {
    const qkv = checkpoint.tensor(`${prefix}.self_attn.qkv_proj.weight`);
    const part = (first: number, count: number): Layer => {
      const rows = rowsOf(qkv, first * size, count * size);
      return (x) => multiply(rows, x);
    };
    const both = checkpoint.tensor(`${prefix}.mlp.gate_up_proj.weight`);
    const [gate, up] = [rowsOf(both, 0, wide), rowsOf(both, wide, wide)];
    const down = linear(checkpoint, `${prefix}.mlp.down_proj`);
    const mlp: Layer = (x) => {
      const upper = multiply(up, x);
      return down(multiply(gate, x).map((value, i) => (value / (1 + Math.exp(-value))) * upper[i]!));
    };
    const attended = attention({
      q: part(0, heads),
      k: part(heads, kvHeads),
      v: part(heads + kvHeads, kvHeads),
      o: linear(checkpoint, `${prefix}.self_attn.o_proj`),
      headSize: size,
      rotation,
      options: { window: checkpoint.number('sliding_window', Infinity) },
    });
    return sequential(attended, mlp, {
      beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
      beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
    });
  });
}

function phi2(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_eps', 1e-5);
  const size = headSizeOf(checkpoint);
  const turned = turnedOf(checkpoint.config, size, 0.5);
  const base = decoder2(checkpoint, 'model.final_layernorm', epsilon);
  return {
    ...base,
    blocks: blocksOf(checkpoint, 'model.layers', (prefix) => {
      const norm = layer(checkpoint, `${prefix}.input_layernorm`, epsilon);
      const attended = attention(
        usualAttention(
          checkpoint,
          `${prefix}.self_attn`,
          { rotation: rotationOf(checkpoint.config, turned) },
          'dense',
        ),
      );
      const mlp = upDown(checkpoint, `${prefix}.mlp.fc1`, `${prefix}.mlp.fc2`, 'gelu_new');
      return parallel(attended, mlp, norm, norm);
    }),
  };
}

/** A decoder whose last norm is a layer norm. */
function decoder2(checkpoint: Checkpoint, norm: string, epsilon: number): Omit<Model, 'blocks'> {
  const table = 'model.embed_tokens.weight';
  return {
    embed: embedding(checkpoint, table),
    norm: layer(checkpoint, norm, epsilon),
    output: checkpoint.has('lm_head.weight')
      ? linear(checkpoint, 'lm_head')
      : (x) => multiply(checkpoint.tensor(table), x),
  };
}

/** A projection whose heads go through a layer norm each, with weights of their own. */
function eachHead(
  checkpoint: Checkpoint,
  name: string,
  weights: (head: number) => Vector,
  epsilon: number,
): Layer {
  const project = linear(checkpoint, name);
  return (x) =>
    Float64Array.from(
      headsOf(project(x), headSizeOf(checkpoint)).flatMap((part, head) => [
        ...layerNorm(part, weights(head), undefined, epsilon),
      ]),
    );
}

function stableLm(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_eps', 1e-5);
  const turned = turnedOf(checkpoint.config, headSizeOf(checkpoint), 0.25);
  return {
    ...decoder2(checkpoint, 'model.norm', epsilon),
    blocks: blocksOf(checkpoint, 'model.layers', (prefix) => {
      const attn = `${prefix}.self_attn`;
      const normed = (side: string) => {
        const name = (head: number) => `${attn}.${side}_layernorm.norms.${head}.weight`;
        if (!checkpoint.has(name(0))) return linear(checkpoint, `${attn}.${side}_proj`);
        return eachHead(checkpoint, `${attn}.${side}_proj`, (head) => checkpoint.vector(name(head)), epsilon);
      };
      const attended = attention(
        usualAttention(checkpoint, attn, {
          ...{ q: normed('q'), k: normed('k') },
          rotation: rotationOf(checkpoint.config, turned),
        }),
      );
      const mlp = gated(checkpoint, `${prefix}.mlp`);
      const before = layer(checkpoint, `${prefix}.input_layernorm`, epsilon);
      if (checkpoint.config['use_parallel_residual'] === true) return parallel(attended, mlp, before, before);
      return sequential(attended, mlp, {
        beforeAttention: before,
        beforeMlp: layer(checkpoint, `${prefix}.post_attention_layernorm`, epsilon),
      });
    }),
  };
}

function olmo2(checkpoint: Checkpoint): Model {
  return decoder(checkpoint, (_, prefix) => {
    const part = (name: string): Layer => linear(checkpoint, `${prefix}.self_attn.${name}`);
    const [normQ, normK] = ['q_norm', 'k_norm'].map((name) =>
      rms(checkpoint, `${prefix}.self_attn.${name}`),
    ) as [Layer, Layer];
    const attended = attention(
      usualAttention(checkpoint, `${prefix}.self_attn`, {
        q: (x) => normQ(part('q_proj')(x)),
        k: (x) => normK(part('k_proj')(x)),
      }),
    );
    return sequential(attended, gated(checkpoint, `${prefix}.mlp`), {
      afterAttention: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      afterMlp: rms(checkpoint, `${prefix}.post_feedforward_layernorm`),
    });
  });
}

function starcoder2(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('norm_epsilon', 1e-5);
  return {
    ...decoder2(checkpoint, 'model.norm', epsilon),
    blocks: blocksOf(checkpoint, 'model.layers', (prefix) =>
      sequential(
        attention(
          usualAttention(checkpoint, `${prefix}.self_attn`, {
            options: { window: checkpoint.number('sliding_window', Infinity) },
          }),
        ),
        upDown(checkpoint, `${prefix}.mlp.c_fc`, `${prefix}.mlp.c_proj`, 'gelu_pytorch_tanh'),
        {
          beforeAttention: layer(checkpoint, `${prefix}.input_layernorm`, epsilon),
          beforeMlp: layer(checkpoint, `${prefix}.post_attention_layernorm`, epsilon),
        },
      ),
    ),
  };
}

function falcon(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_epsilon', 1e-5);
  const heads = checkpoint.number('num_attention_heads');
  const isNew = checkpoint.config['new_decoder_architecture'] === true;
  const groups = isNew ? checkpoint.number('num_kv_heads') : 1;
  const size = checkpoint.number('hidden_size') / heads;
  const queries = heads / groups;
  return {
    embed: embedding(checkpoint, 'transformer.word_embeddings.weight'),
    blocks: blocksOf(checkpoint, 'transformer.h', (prefix) => {
      const all = linear(checkpoint, `${prefix}.self_attention.query_key_value`);
      /** Each group has its queries, then one key, then one value. */
      const part =
        (first: number, count: number): Layer =>
        (x) => {
          const parts = headsOf(all(x), size);
          return Float64Array.from(
            Array.from({ length: groups }, (_, group) =>
              parts.slice(group * (queries + 2) + first, group * (queries + 2) + first + count),
            )
              .flat()
              .flatMap((head) => [...head]),
          );
        };
      const attended = attention({
        ...{ q: part(0, queries), k: part(queries, 1), v: part(queries + 1, 1), headSize: size },
        o: linear(checkpoint, `${prefix}.self_attention.dense`),
        rotation: rotationOf(checkpoint.config, size),
      });
      const mlp = upDown(checkpoint, `${prefix}.mlp.dense_h_to_4h`, `${prefix}.mlp.dense_4h_to_h`, 'gelu');
      const norm = (name: string): Layer => layer(checkpoint, `${prefix}.${name}`, epsilon);
      return checkpoint.has(`${prefix}.ln_attn.weight`)
        ? parallel(attended, mlp, norm('ln_attn'), norm('ln_mlp'))
        : parallel(attended, mlp, norm('input_layernorm'), norm('input_layernorm'));
    }),
    norm: layer(checkpoint, 'transformer.ln_f', epsilon),
    output: (x) => multiply(checkpoint.tensor('transformer.word_embeddings.weight'), x),
  };
}

function cohere(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_eps', 1e-5);
  const base = decoder2(checkpoint, 'model.norm', epsilon);
  const rotation = { ...rotationOf(checkpoint.config, headSizeOf(checkpoint)), layout: 'pairs' } as const;
  return {
    ...base,
    output: (x) => scale(base.output(x), checkpoint.number('logit_scale', 0.0625)),
    blocks: blocksOf(checkpoint, 'model.layers', (prefix) => {
      const norm = layer(checkpoint, `${prefix}.input_layernorm`, epsilon);
      const attn = `${prefix}.self_attn`;
      const size = headSizeOf(checkpoint);
      const normed = (side: string): Layer => {
        const weights = checkpoint.optional(`${attn}.${side}_norm.weight`);
        if (!weights) return linear(checkpoint, `${attn}.${side}_proj`);
        const part = (head: number) => weights.slice(head * size, (head + 1) * size);
        return eachHead(checkpoint, `${attn}.${side}_proj`, part, epsilon);
      };
      const change = { rotation, q: normed('q'), k: normed('k') };
      const attended = attention(usualAttention(checkpoint, attn, change));
      return parallel(attended, gated(checkpoint, `${prefix}.mlp`), norm, norm);
    }),
  };
}

function deepseek2(checkpoint: Checkpoint): Model {
  return decoder(checkpoint, (index, prefix) => {
    const mlp = `${prefix}.mlp`;
    const kinds = checkpoint.config['mlp_layer_types'] as readonly string[] | undefined;
    const dense = kinds ? kinds[index] === 'dense' : index < checkpoint.number('first_k_dense_replace');
    const routed = (): Layer => {
      const all = expertLayers(checkpoint, `${mlp}.experts`, checkpoint.number('n_routed_experts'));
      const normalize = checkpoint.config['norm_topk_prob'] === true;
      const factor = checkpoint.number('routed_scaling_factor', 1);
      const used = checkpoint.number('num_experts_per_tok');
      const router = linear(checkpoint, `${mlp}.gate`);
      const bias = checkpoint.optional(`${mlp}.gate.e_score_correction_bias`);
      const groups = { count: checkpoint.number('n_group'), used: checkpoint.number('topk_group') };
      const limited = checkpoint.config['topk_method'] === 'group_limited_greedy';
      const chosen = bias
        ? biasedExperts(router, all, used, { bias, groups, factor })
        : experts(router, all, used, { normalize, factor, groups: limited ? groups : undefined });
      const shared = gated(checkpoint, `${mlp}.shared_experts`);
      return (x) => add(chosen(x), shared(x));
    };
    return sequential(
      latentAttention(checkpoint, `${prefix}.self_attn`),
      dense ? gated(checkpoint, mlp) : routed(),
      {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
      },
    );
  });
}

const models: Readonly<Record<string, (checkpoint: Checkpoint, textLength: number) => Model>> = {
  ...hybridModels,
  ...graniteModels,
  ...newerModels,
  ...lfm2Models,
  ...encoderModels,
  LlamaForCausalLM: (checkpoint) => llama(checkpoint),
  LlamaModel: (checkpoint) => llama(checkpoint),
  LlamaBidirectionalModel: (checkpoint) => llama(checkpoint),
  MistralForCausalLM: (checkpoint) => llama(checkpoint, windowed(checkpoint)),
  MixtralForCausalLM: mixtral,
  Qwen2ForCausalLM: (checkpoint) => llama(checkpoint, lateWindow(checkpoint)),
  Qwen2MoeForCausalLM: (checkpoint) => llama(checkpoint, undefined, qwenExperts(checkpoint)),
  Qwen3ForCausalLM: (checkpoint) => llama(checkpoint, headNorms(checkpoint)),
  Qwen3Model: (checkpoint) => llama(checkpoint, headNorms(checkpoint)),
  Qwen3MoeForCausalLM: (checkpoint) => llama(checkpoint, headNorms(checkpoint), qwenExperts(checkpoint)),
  GemmaForCausalLM: (checkpoint) =>
    gemma(checkpoint, (_, prefix) =>
      sequential(attention(usualAttention(checkpoint, `${prefix}.self_attn`)), gemmaMlp(checkpoint, prefix), {
        beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`, 1),
        beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`, 1),
      }),
    ),
  Gemma2ForCausalLM: gemma2,
  Gemma3ForCausalLM: gemma3,
  Gemma3ForConditionalGeneration: gemma3,
  Gemma3nForCausalLM: gemma3n,
  Gemma4ForCausalLM: gemma4,
  Gemma3TextModel: gemma3,
  Phi3ForCausalLM: phi3,
  PhiForCausalLM: phi2,
  GPT2LMHeadModel: gpt2,
  GPTNeoXForCausalLM: gptNeoX,
  'params.json': consolidatedModel,
  Llama4ForConditionalGeneration: (checkpoint) =>
    decoder(checkpoint, (index, prefix) => llama4Block(checkpoint, index, prefix)),
  LlavaForConditionalGeneration: (checkpoint) => llama(checkpoint),
  Mistral3ForConditionalGeneration: (checkpoint) => llama(checkpoint, () => tempered(checkpoint)),
  Ministral3ForCausalLM: (checkpoint) => llama(checkpoint, () => tempered(checkpoint)),
  Qwen2VLForConditionalGeneration: (checkpoint) => llama(checkpoint),
  Qwen2_5_VLForConditionalGeneration: (checkpoint) => llama(checkpoint),
  Qwen3VLForConditionalGeneration: (checkpoint) => llama(checkpoint, headNorms(checkpoint)),
  Qwen3VLMoeForConditionalGeneration: (checkpoint) =>
    llama(checkpoint, headNorms(checkpoint), (prefix) => transposedExperts(checkpoint, `${prefix}.mlp`)),
  SmolVLMForConditionalGeneration: (checkpoint) => llama(checkpoint),
  GlmForCausalLM: (checkpoint) => decoder(checkpoint, (_, prefix) => glmBlock(checkpoint, prefix)),
  Glm4ForCausalLM: (checkpoint) => decoder(checkpoint, (_, prefix) => glmBlock(checkpoint, prefix)),
  Glm4MoeForCausalLM: (checkpoint) =>
    decoder(checkpoint, (index, prefix) => glmMixtureBlock(checkpoint, index, prefix)),
  Glm4MoeLiteForCausalLM: deepseek2,
  GptOssForCausalLM: (checkpoint) =>
    decoder(checkpoint, (index, prefix) => gptOssBlock(checkpoint, index, prefix)),
  StableLmForCausalLM: stableLm,
  SmolLM3ForCausalLM: (checkpoint) =>
    llama(checkpoint, (index) => {
      const stated = checkpoint.config['no_rope_layers'] as number[] | undefined;
      const rotated = stated?.[index] ?? (index + 1) % checkpoint.number('no_rope_layer_interval', 4);
      return rotated ? {} : { rotation: undefined };
    }),
  Olmo2ForCausalLM: olmo2,
  Starcoder2ForCausalLM: starcoder2,
  FalconForCausalLM: falcon,
  CohereForCausalLM: cohere,
  DeepseekV2ForCausalLM: deepseek2,
  DeepseekV3ForCausalLM: deepseek2,
  DeepseekV32ForCausalLM: deepseek2,
  KimiK2ForCausalLM: deepseek2,
  ...simpleModels,
};
