import type { Checkpoint } from './checkpoint';
import { embedding, linear, rms, type Block, type Layer, type Model } from './decoder';
import { activations, add, multiply, scale, times, type Vector } from './math';
import { perLayerInputs, perLayerOutput } from './perLayer';
import { rotationOf } from './rope';
import { sharedAttention } from './sharedAttention';

/** 95 % of a normal distribution are below so many standard deviations. */
const quantile95 = 1.6448536269514722;

const mean = (x: Vector): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const size = (x: Vector): number => Math.sqrt(Math.max(mean(times(x, x)), 1e-5));
const joined = (parts: readonly Vector[]): Vector => Float64Array.from(parts.flatMap((part) => [...part]));

/** What is left of x above the mean by so many standard deviations of all its entries. */
function sparse(x: Vector): Vector {
  const middle = mean(x);
  const deviation = Math.sqrt(mean(x.map((value) => (value - middle) ** 2)));
  return x.map((value) => Math.max(0, value - middle - quantile95 * deviation));
}

/** Streams of states that predict each other (AltUp, Baykal et al. 2023). */
function altUp(checkpoint: Checkpoint, prefix: string) {
  const hidden = checkpoint.number('hidden_size');
  const [norm, router, predicting, correcting] = [
    rms(checkpoint, `${prefix}.router_norm`),
    ...['modality_router', 'prediction_coefs', 'correction_coefs'].map((name) =>
      linear(checkpoint, `${prefix}.${name}`),
    ),
  ] as [Layer, Layer, Layer, Layer];
  const modalities: Layer = (x) => router(scale(norm(x), 1 / hidden)).map(Math.tanh);
  return {
    predict(streams: readonly Vector[]): Vector[] {
      const factors = predicting(modalities(streams[0]!));
      return streams.map((stream, to) =>
        streams.reduce(
          (sum, other, from) => add(sum, scale(other, factors[to * streams.length + from]!)),
          stream,
        ),
      );
    },
    correct(predictions: readonly Vector[], activated: Vector): Vector[] {
      const factors = correcting(modalities(activated));
      const innovation = activated.map((value, i) => value - predictions[0]![i]!);
      return predictions.map((stream, i) => add(stream, scale(innovation, factors[i]! + 1)));
    },
  };
}

/** Further streams of the first, or the first as further streams see it, as large as the first. */
const resized = (x: Vector, target: number): Vector => scale(x, target / size(x));

/**
 * Gemma 3n. States are all streams, one after the other, then the embeddings of all layers.
 */
export function gemma3n(checkpoint: Checkpoint): Model {
  const [hidden, layers] = [checkpoint.number('hidden_size'), checkpoint.number('num_hidden_layers')];
  const count = checkpoint.number('altup_num_inputs');
  const inputs = perLayerInputs(checkpoint);
  const table = embedding(checkpoint, 'model.embed_tokens.weight');
  const matrices = (name: string) =>
    Array.from({ length: count - 1 }, (_, i) => checkpoint.tensor(`model.${name}.${i}.weight`));
  const [starting, ending] = [matrices('altup_projections'), matrices('altup_unembed_projections')];
  const streamsOf = (state: Vector): Vector[] =>
    Array.from({ length: count }, (_, i) => state.slice(i * hidden, (i + 1) * hidden));
  const embeddedOf = (state: Vector): Vector => state.slice(count * hidden);
  const stored: Parameters<typeof sharedAttention>[2]['stored'] = new Map();
  const last = rms(checkpoint, 'model.norm');
  const output = checkpoint.tensor('model.embed_tokens.weight');
  const cap = checkpoint.number('final_logit_softcapping');

  const block = (index: number): Block => {
    const prefix = `model.layers.${index}`;
    const norm = (name: string): Layer => rms(checkpoint, `${prefix}.${name}`);
    const [before, after, beforeMlp, afterMlp] = [
      norm('input_layernorm'),
      norm('post_attention_layernorm'),
      norm('pre_feedforward_layernorm'),
      norm('post_feedforward_layernorm'),
    ] as const;
    const [gate, up, down] = ['gate', 'up', 'down'].map((name) =>
      linear(checkpoint, `${prefix}.mlp.${name}_proj`),
    ) as [Layer, Layer, Layer];
    const [left, right] = ['left', 'right'].map((name) =>
      linear(checkpoint, `${prefix}.laurel.linear_${name}`),
    ) as [Layer, Layer];
    const laurelNorm = norm('laurel.post_laurel_norm');
    const streams = altUp(checkpoint, `${prefix}.altup`);
    const outputScale = checkpoint.vector(`${prefix}.altup.correct_output_scale`);
    const addedByLayer = perLayerOutput(checkpoint, prefix);
    const isLocal = (index + 1) % 5 !== 0;
    const theta = checkpoint.number(isLocal ? 'rope_local_base_freq' : 'rope_theta');
    const headSize = checkpoint.number('head_dim');
    const attend = sharedAttention(checkpoint, `${prefix}.self_attn`, {
      ...{ headSize, rotation: rotationOf({ rope_theta: theta }, headSize), stored },
      ...{ kind: isLocal ? 'local' : 'global' },
      isShared: index >= layers - checkpoint.number('num_kv_shared_layers'),
      ...(isLocal ? { window: checkpoint.number('sliding_window') } : {}),
    });
    const share = (checkpoint.config['activation_sparsity_pattern'] as readonly number[])[index]!;
    const opened = (x: Vector): Vector =>
      (share > 0 ? sparse(gate(x)) : gate(x)).map(activations.gelu_pytorch_tanh);
    return (states) => {
      const predictions = states.map((state) => streams.predict(streamsOf(state)));
      const normed = predictions.map(([active]) => before(active!));
      const attended = attend(normed).map(after);
      return states.map((state, i) => {
        const laurel = add(normed[i]!, laurelNorm(right(left(normed[i]!))));
        const middle = scale(add(add(predictions[i]![0]!, attended[i]!), laurel), Math.SQRT1_2);
        const fed = beforeMlp(middle);
        const activated = add(middle, afterMlp(down(times(opened(fed), up(fed)))));
        const [first, ...others] = streams.correct(predictions[i]!, activated) as [Vector, ...Vector[]];
        const embedded = inputs.at(embeddedOf(state), index);
        const added = addedByLayer(times(first, outputScale), embedded);
        return joined([first, ...others.map((stream) => add(stream, added)), embeddedOf(state)]);
      });
    };
  };

  return {
    embed: (token) => {
      const first = scale(table(token), Math.sqrt(hidden));
      const others = starting.map((matrix) => resized(multiply(matrix, first), size(first)));
      return joined([first, ...others, inputs.of(token, first)]);
    },
    blocks: Array.from({ length: layers }, (_, index) => block(index)),
    norm: (state) => {
      const [first, ...others] = streamsOf(state) as [Vector, ...Vector[]];
      const merged = others.map((stream, i) => resized(multiply(ending[i]!, stream), size(first)));
      return last(scale(merged.reduce(add, first), 1 / count));
    },
    output: (x) => multiply(output, x).map((value) => cap * Math.tanh(value / cap)),
  };
}
