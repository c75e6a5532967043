import type { Checkpoint } from './checkpoint';
import {
  attention,
  embedding,
  linear,
  rms,
  run,
  sequential,
  usualAttention,
  type Block,
  type Layer,
} from './decoder';
import { experts } from './experts';
import { activations, times, type Vector } from './math';

/** Vectors that went into matrices, by the matrix's name in GGUF; of merged experts by name, a space and the expert's index. */
export type MatrixInputs = ReadonlyMap<string, readonly Vector[]>;

/** What goes into the matrices of a llama or mixtral checkpoint as it reads some texts, by the definition. */
export function matrixInputs(checkpoint: Checkpoint, texts: readonly (readonly number[])[]): MatrixInputs {
  const found = new Map<string, Vector[]>();
  const noted =
    (name: string, layer: Layer): Layer =>
    (x) => {
      found.set(name, [...(found.get(name) ?? []), x]);
      return layer(x);
    };
  const model = {
    embed: embedding(checkpoint, 'model.embed_tokens.weight'),
    blocks: Array.from({ length: checkpoint.number('num_hidden_layers') }, (_, i) =>
      notedBlock(checkpoint, i, noted),
    ),
    norm: rms(checkpoint, 'model.norm'),
    output: noted('output.weight', linear(checkpoint, 'lm_head')),
  };
  for (const tokens of texts) run(model, tokens);
  return found;
}

type Noted = (name: string, layer: Layer) => Layer;

function notedBlock(checkpoint: Checkpoint, index: number, noted: Noted): Block {
  const prefix = `model.layers.${index}`;
  const part = (name: string): Layer => linear(checkpoint, `${prefix}.self_attn.${name}`);
  const attend = attention(
    usualAttention(checkpoint, `${prefix}.self_attn`, {
      q: noted(`blk.${index}.attn_q.weight`, part('q_proj')),
      o: noted(`blk.${index}.attn_output.weight`, part('o_proj')),
    }),
  );
  const isMixture = checkpoint.has(`${prefix}.block_sparse_moe.gate.weight`);
  return sequential(attend, (isMixture ? notedExperts : notedMlp)(checkpoint, index, noted), {
    beforeAttention: rms(checkpoint, `${prefix}.input_layernorm`),
    beforeMlp: rms(checkpoint, `${prefix}.post_attention_layernorm`),
  });
}

function notedMlp(checkpoint: Checkpoint, index: number, noted: Noted): Layer {
  const part = (name: string): Layer => linear(checkpoint, `model.layers.${index}.mlp.${name}_proj`);
  const down = noted(`blk.${index}.ffn_down.weight`, part('down'));
  return noted(`blk.${index}.ffn_gate.weight`, gatedBy(part('gate'), part('up'), down));
}

function notedExperts(checkpoint: Checkpoint, index: number, noted: Noted): Layer {
  const prefix = `model.layers.${index}.block_sparse_moe`;
  const all = Array.from({ length: checkpoint.number('num_local_experts') }, (_, i) => {
    const part = (name: string): Layer => linear(checkpoint, `${prefix}.experts.${i}.${name}`);
    const down = noted(`blk.${index}.ffn_down_exps.weight ${i}`, part('w2'));
    return noted(`blk.${index}.ffn_gate_exps.weight ${i}`, gatedBy(part('w1'), part('w3'), down));
  });
  const router = noted(`blk.${index}.ffn_gate_inp.weight`, linear(checkpoint, `${prefix}.gate`));
  return experts(router, all, checkpoint.number('num_experts_per_tok'), { normalize: true });
}

const gatedBy =
  (gate: Layer, up: Layer, down: Layer): Layer =>
  (x) =>
    down(times(gate(x).map(activations.silu), up(x)));
