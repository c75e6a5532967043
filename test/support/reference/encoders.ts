import type { Checkpoint } from './checkpoint';
import {
  attention,
  blocksOf,
  embedding,
  gated,
  linear,
  plain,
  type AttentionParts,
  type Block,
  type Layer,
  type Model,
} from './decoder';
import { activations, add, layerNorm, multiply, rowsOf, times, type Activation } from './math';
import { frequencies, type Rotation } from './rope';

/** Every token sees all others. */
const everything = { options: { reach: Infinity } };

/** Layer norm by name; old checkpoints of BERT call its parts gamma and beta. */
function norm(checkpoint: Checkpoint, name: string, epsilon: number): Layer {
  const [weight, bias] = ['weight', 'bias'].map((part) => checkpoint.optional(`${name}.${part}`));
  const scales = weight ?? checkpoint.vector(`${name}.gamma`);
  const shifts = weight ? bias : checkpoint.vector(`${name}.beta`);
  return (x) => layerNorm(x, scales, shifts, epsilon);
}

/** norm(x + attention), then norm(… + mlp). */
function normedAfter(attend: Block, mlp: Layer, afterAttention: Layer, afterMlp: Layer): Block {
  return (inputs) => {
    const attended = attend(inputs);
    return inputs.map((x, i) => {
      const middle = afterAttention(add(x, attended[i]!));
      return afterMlp(add(middle, mlp(middle)));
    });
  };
}

const same: Layer = (x) => x;

/** An encoder has no output and, where each block ends with a norm, no last one. */
const encoder = (parts: Pick<Model, 'embed' | 'blocks'> & Partial<Model>): Model => ({
  ...{ norm: same, output: same },
  ...parts,
});

/** @param first position of the first token in the table of positions. */
function bert(checkpoint: Checkpoint, first: number): Model {
  const prefix = ['bert.', 'roberta.', ''].find((text) =>
    checkpoint.has(`${text}embeddings.word_embeddings.weight`),
  )!;
  const epsilon = checkpoint.number('layer_norm_eps', 1e-12);
  const [words, positions, types] = ['word', 'position', 'token_type'].map((name) =>
    embedding(checkpoint, `${prefix}embeddings.${name}_embeddings.weight`),
  ) as [(token: number) => Float64Array, (position: number) => Float64Array, (type: number) => Float64Array];
  const start = norm(checkpoint, `${prefix}embeddings.LayerNorm`, epsilon);
  const headSize = checkpoint.number('hidden_size') / checkpoint.number('num_attention_heads');
  return encoder({
    embed: (token, position) => start(add(add(words(token), positions(position + first)), types(0))),
    blocks: blocksOf(checkpoint, `${prefix}encoder.layer`, (name) => {
      const part = (what: string): Layer => linear(checkpoint, `${name}.attention.self.${what}`);
      const attended = attention({
        ...{ q: part('query'), k: part('key'), v: part('value'), headSize, ...everything },
        o: linear(checkpoint, `${name}.attention.output.dense`),
      });
      const [up, down] = ['intermediate.dense', 'output.dense'].map((what) =>
        linear(checkpoint, `${name}.${what}`),
      ) as [Layer, Layer];
      return normedAfter(
        attended,
        plain(up, down, (checkpoint.config['hidden_act'] ?? 'gelu') as Activation),
        norm(checkpoint, `${name}.attention.output.LayerNorm`, epsilon),
        norm(checkpoint, `${name}.output.LayerNorm`, epsilon),
      );
    }),
  });
}

const rotationFor = (theta: number, headSize: number): Rotation => ({
  ...{ frequencies: frequencies(theta, headSize), layout: 'half', magnitude: 1 },
});

/** Query, key and value of a matrix that has all three, one below the other. */
function fused(checkpoint: Checkpoint, name: string): Pick<AttentionParts, 'q' | 'k' | 'v'> {
  const all = checkpoint.tensor(name);
  const size = all.shape[0]! / 3;
  const part = (index: number): Layer => {
    const rows = rowsOf(all, index * size, size);
    return (x) => multiply(rows, x);
  };
  return { q: part(0), k: part(1), v: part(2) };
}

function nomicBert(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('layer_norm_epsilon', 1e-12);
  const [words, types] = ['word', 'token_type'].map((name) =>
    embedding(checkpoint, `embeddings.${name}_embeddings.weight`),
  ) as [(token: number) => Float64Array, (type: number) => Float64Array];
  const start = norm(checkpoint, 'emb_ln', epsilon);
  const headSize = checkpoint.number('n_embd') / checkpoint.number('n_head');
  const rotation = rotationFor(checkpoint.number('rotary_emb_base', 10_000), headSize);
  return encoder({
    embed: (token) => start(add(words(token), types(0))),
    blocks: Array.from({ length: checkpoint.number('n_layer') }, (_, index) => {
      const name = `encoder.layers.${index}`;
      const attended = attention({
        ...{ ...fused(checkpoint, `${name}.attn.Wqkv.weight`), headSize, rotation, ...everything },
        o: linear(checkpoint, `${name}.attn.out_proj`),
      });
      return normedAfter(
        attended,
        gated(checkpoint, `${name}.mlp`, 'silu', { gate: 'fc12', up: 'fc11', down: 'fc2' }),
        norm(checkpoint, `${name}.norm1`, epsilon),
        norm(checkpoint, `${name}.norm2`, epsilon),
      );
    }),
  });
}

/** Whether a layer of ModernBERT sees only its neighbourhood. */
function isLocal({ config }: Checkpoint, index: number): boolean {
  const types = config['layer_types'] as readonly string[] | undefined;
  if (types) return types[index] === 'sliding_attention';
  return index % Number(config['global_attn_every_n_layers'] ?? 3) !== 0;
}

function modernBert(checkpoint: Checkpoint): Model {
  const epsilon = checkpoint.number('norm_eps', 1e-5);
  const words = embedding(checkpoint, 'model.embeddings.tok_embeddings.weight');
  const start = norm(checkpoint, 'model.embeddings.norm', epsilon);
  const headSize = checkpoint.number('hidden_size') / checkpoint.number('num_attention_heads');
  const wide = checkpoint.number('intermediate_size');
  const activation = activations[(checkpoint.config['hidden_activation'] ?? 'gelu') as Activation];
  const parameters = checkpoint.config['rope_parameters'] as
    Readonly<Record<string, { rope_theta: number }>> | undefined;
  const global =
    parameters?.['full_attention']?.rope_theta ?? checkpoint.number('global_rope_theta', 160_000);
  const local =
    parameters?.['sliding_attention']?.rope_theta ??
    (checkpoint.config['local_rope_theta'] === null ? global : checkpoint.number('local_rope_theta', 10_000));
  const reach = Math.floor(checkpoint.number('local_attention', 128) / 2);
  const blocks = Array.from({ length: checkpoint.number('num_hidden_layers') }, (_, index): Block => {
    const name = `model.layers.${index}`;
    const near = isLocal(checkpoint, index);
    const attend = attention({
      ...{ ...fused(checkpoint, `${name}.attn.Wqkv.weight`), headSize },
      o: linear(checkpoint, `${name}.attn.Wo`),
      rotation: rotationFor(near ? local : global, headSize),
      options: { reach: near ? reach : Infinity },
    });
    const before = index === 0 ? same : norm(checkpoint, `${name}.attn_norm`, epsilon);
    const beforeMlp = norm(checkpoint, `${name}.mlp_norm`, epsilon);
    const [up, down] = ['Wi', 'Wo'].map((what) => linear(checkpoint, `${name}.mlp.${what}`)) as [
      Layer,
      Layer,
    ];
    const mlp: Layer = (x) => {
      const both = up(x);
      return down(times(both.slice(0, wide).map(activation), both.slice(wide)));
    };
    return (inputs) => {
      const attended = attend(inputs.map(before));
      return inputs.map((x, i) => {
        const middle = add(x, attended[i]!);
        return add(middle, mlp(beforeMlp(middle)));
      });
    };
  });
  return encoder({
    ...{ embed: (token) => start(words(token)), blocks },
    norm: norm(checkpoint, 'model.final_norm', epsilon),
  });
}

const roberta = (checkpoint: Checkpoint): Model => bert(checkpoint, checkpoint.number('pad_token_id', 1) + 1);

/** Models that embed texts, by the modeling files of their classes. */
export const encoderModels: Readonly<Record<string, (checkpoint: Checkpoint) => Model>> = {
  BertModel: (checkpoint) => bert(checkpoint, 0),
  BertForMaskedLM: (checkpoint) => bert(checkpoint, 0),
  RobertaModel: roberta,
  XLMRobertaModel: roberta,
  ModernBertModel: modernBert,
  ModernBertForMaskedLM: modernBert,
  NomicBertModel: nomicBert,
};
