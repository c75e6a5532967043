import type { Checkpoint, Config } from './checkpoint';
import { affine, embedding, gated, linear, rms, type Block, type Layer, type Model } from './decoder';
import { activations, add, largest, multiply, rmsNorm, rowsOf, scale, softmax, times } from './math';
import type { Tensor, Vector } from './math';
import { perLayerInputs, perLayerOutput } from './perLayer';
import { frequencies, type Rotation } from './rope';
import { sharedAttention } from './sharedAttention';

const joined = (...parts: readonly Vector[]): Vector => Float64Array.from(parts.flatMap((part) => [...part]));

/** Of both kinds of layers. */
function rotations({ config }: Checkpoint): Readonly<Record<string, Rotation & { headSize: number }>> {
  const parameters = config['rope_parameters'] as Readonly<Record<string, Config>>;
  const plain = (kind: string, headSize: number): Rotation & { headSize: number } => ({
    ...{ headSize, layout: 'half', magnitude: 1 },
    frequencies: frequencies(Number(parameters[kind]!['rope_theta']), headSize),
  });
  const sliding = plain('sliding_attention', Number(config['head_dim']));
  const full = plain('full_attention', Number(config['global_head_dim']));
  const share = Number(parameters['full_attention']!['partial_rotary_factor']);
  const rotated = Math.trunc((share * full.headSize) / 2);
  return {
    sliding_attention: sliding,
    full_attention: {
      ...full,
      frequencies: full.frequencies.map((frequency, pair) => (pair < rotated ? frequency : 0)),
    },
  };
}

/** Experts, chosen by the normed input of the feed-forward network before its norm. */
function mixture(checkpoint: Checkpoint, prefix: string): Layer {
  const hidden = checkpoint.number('hidden_size');
  const size = checkpoint.number('moe_intermediate_size');
  const ones = new Float64Array(hidden).fill(1);
  const [routerScale, ofExperts] = ['scale', 'per_expert_scale'].map((name) =>
    checkpoint.vector(`${prefix}.router.${name}`),
  ) as [Vector, Vector];
  const router = linear(checkpoint, `${prefix}.router.proj`);
  const norm = rms(checkpoint, `${prefix}.pre_feedforward_layernorm_2`);
  const rows = (name: string): Tensor => {
    const { shape, data } = checkpoint.tensor(`${prefix}.experts.${name}`);
    return { shape: [shape[0]! * shape[1]!, shape[2]!], data };
  };
  const [both, down] = [rows('gate_up_proj'), rows('down_proj')];
  const expert = (index: number, x: Vector): Vector => {
    const [gate, up] = [0, size].map((first) =>
      affine(rowsOf(both, 2 * size * index + first, size), undefined, x),
    ) as [Vector, Vector];
    return multiply(rowsOf(down, hidden * index, hidden), times(gate.map(activations.gelu_pytorch_tanh), up));
  };
  return (x) => {
    const normed = rmsNorm(x, ones, checkpoint.number('rms_norm_eps'));
    const shares = softmax(router(scale(times(normed, routerScale), hidden ** -0.5)));
    const best = largest(shares, checkpoint.number('top_k_experts'));
    const sum = best.reduce((total, index) => total + shares[index]!, 0);
    const input = norm(x);
    return best
      .map((index) => scale(expert(index, input), (ofExperts[index]! * shares[index]!) / sum))
      .reduce(add);
  };
}

/** Gemma 4. States are followed by the embeddings of all layers, where the model has them. */
export function gemma4(checkpoint: Checkpoint): Model {
  const [hidden, layers] = [checkpoint.number('hidden_size'), checkpoint.number('num_hidden_layers')];
  const inputs =
    checkpoint.number('hidden_size_per_layer_input') > 0 ? perLayerInputs(checkpoint) : undefined;
  const table = embedding(checkpoint, 'model.embed_tokens.weight');
  const output = checkpoint.tensor('model.embed_tokens.weight');
  const kinds = checkpoint.config['layer_types'] as readonly string[];
  const turning = rotations(checkpoint);
  const stored: Parameters<typeof sharedAttention>[2]['stored'] = new Map();
  const last = rms(checkpoint, 'model.norm');
  const cap = checkpoint.number('final_logit_softcapping', Infinity);

  const block = (index: number): Block => {
    const prefix = `model.layers.${index}`;
    const norm = (name: string): Layer => rms(checkpoint, `${prefix}.${name}`);
    const [before, after, beforeMlp, afterMlp] = [
      norm('input_layernorm'),
      norm('post_attention_layernorm'),
      norm('pre_feedforward_layernorm'),
      norm('post_feedforward_layernorm'),
    ] as const;
    const kind = kinds[index]!;
    const rotation = turning[kind]!;
    const attend = sharedAttention(checkpoint, `${prefix}.self_attn`, {
      ...{ headSize: rotation.headSize, rotation, stored, kind },
      isShared: index >= layers - checkpoint.number('num_kv_shared_layers'),
      ...(kind === 'sliding_attention' ? { window: checkpoint.number('sliding_window') } : {}),
    });
    const mlp = gated(checkpoint, `${prefix}.mlp`, 'gelu_pytorch_tanh');
    const network: Layer =
      checkpoint.config['enable_moe_block'] === true
        ? withExperts(checkpoint, prefix, mlp, beforeMlp)
        : (x) => mlp(beforeMlp(x));
    const addedByLayer = inputs && perLayerOutput(checkpoint, prefix);
    const factor = checkpoint.optional(`${prefix}.layer_scalar`)?.[0] ?? 1;
    return (states) => {
      const first = states.map((state) => state.slice(0, hidden));
      const attended = attend(first.map(before)).map(after);
      return states.map((state, i) => {
        const middle = add(first[i]!, attended[i]!);
        const fed = add(middle, afterMlp(network(middle)));
        const embedded = state.slice(hidden);
        const whole = addedByLayer ? add(fed, addedByLayer(fed, inputs.at(embedded, index))) : fed;
        return joined(scale(whole, factor), embedded);
      });
    };
  };

  return {
    embed: (token) => {
      const first = scale(table(token), Math.sqrt(hidden));
      return inputs ? joined(first, inputs.of(token, first)) : first;
    },
    blocks: Array.from({ length: layers }, (_, index) => block(index)),
    norm: (state) => last(state.slice(0, hidden)),
    output: (x) => {
      const logits = multiply(output, x);
      return cap === Infinity ? logits : logits.map((value) => cap * Math.tanh(value / cap));
    },
  };
}

/** A feed-forward network and experts side by side, each with norms. */
function withExperts(checkpoint: Checkpoint, prefix: string, mlp: Layer, beforeMlp: Layer): Layer {
  const [first, second] = ['post_feedforward_layernorm_1', 'post_feedforward_layernorm_2'].map((name) =>
    rms(checkpoint, `${prefix}.${name}`),
  ) as [Layer, Layer];
  const experts = mixture(checkpoint, prefix);
  return (x) => add(first(mlp(beforeMlp(x))), second(experts(x)));
}
