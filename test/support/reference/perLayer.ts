import type { Checkpoint } from './checkpoint';
import { embedding, linear, rms, type Layer } from './decoder';
import { activations, add, scale, times, type Vector } from './math';

/** Embeddings that each layer has of its own (Gemma 3n and 4). */
export interface PerLayerInputs {
  /** Those of all layers, one after the other, for a token whose first state is given. */
  readonly of: (token: number, state: Vector) => Vector;
  /** The one of a layer among them. */
  readonly at: (all: Vector, layer: number) => Vector;
}

export function perLayerInputs(checkpoint: Checkpoint): PerLayerInputs {
  const size = checkpoint.number('hidden_size_per_layer_input');
  const layers = checkpoint.number('num_hidden_layers');
  const known = checkpoint.tensor('model.embed_tokens_per_layer.weight').shape[0]!;
  const table = embedding(checkpoint, 'model.embed_tokens_per_layer.weight');
  const project = linear(checkpoint, 'model.per_layer_model_projection');
  const norm = rms(checkpoint, 'model.per_layer_projection_norm');
  const at = (all: Vector, layer: number): Vector => all.slice(layer * size, (layer + 1) * size);
  return {
    at,
    of: (token, state) => {
      const projected = scale(project(state), checkpoint.number('hidden_size') ** -0.5);
      const own = table(token < known ? token : 0);
      return Float64Array.from(
        Array.from({ length: layers }, (_, layer) =>
          scale(add(norm(at(projected, layer)), scale(at(own, layer), Math.sqrt(size))), Math.SQRT1_2),
        ).flatMap((part) => [...part]),
      );
    },
  };
}

/** What a block makes of its embedding: norm(projection(gelu(gate x) · embedding)). */
export function perLayerOutput(
  checkpoint: Checkpoint,
  prefix: string,
): (x: Vector, embedded: Vector) => Vector {
  const gate = linear(checkpoint, `${prefix}.per_layer_input_gate`);
  const project = linear(checkpoint, `${prefix}.per_layer_projection`);
  const norm: Layer = rms(checkpoint, `${prefix}.post_per_layer_input_norm`);
  return (x, embedded) => norm(project(times(gate(x).map(activations.gelu_pytorch_tanh), embedded)));
}
