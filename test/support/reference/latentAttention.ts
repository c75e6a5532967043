import { attend, headsOf } from './attention';
import type { Checkpoint } from './checkpoint';
import { linear, type Block, type Layer } from './decoder';
import { rmsNorm, type Vector } from './math';
import { rotate, rotationOf } from './rope';

/** The norms inside of the attention have the epsilon of their class, whatever config.json says. */
const epsilon = 1e-6;

/** Multi-head latent attention (DeepSeek-V2, section 2.1). */
export function latentAttention(checkpoint: Checkpoint, prefix: string): Block {
  const heads = checkpoint.number('num_attention_heads');
  const [nope, turned] = [checkpoint.number('qk_nope_head_dim'), checkpoint.number('qk_rope_head_dim')];
  const [valueSize, rank] = [checkpoint.number('v_head_dim'), checkpoint.number('kv_lora_rank')];
  const part = (name: string): Layer => linear(checkpoint, `${prefix}.${name}`);
  const normOf =
    (name: string): Layer =>
    (x) =>
      rmsNorm(x, checkpoint.vector(`${prefix}.${name}.weight`), epsilon);
  const q = checkpoint.has(`${prefix}.q_a_proj.weight`)
    ? (x: Vector) => part('q_b_proj')(normOf('q_a_layernorm')(part('q_a_proj')(x)))
    : part('q_proj');
  const norm = normOf('kv_a_layernorm');
  const rotation = { ...rotationOf(checkpoint.config, turned), layout: 'pairs' } as const;
  const scaling = (checkpoint.config['rope_parameters'] ?? checkpoint.config['rope_scaling'] ?? {}) as Record<
    string,
    number
  >;
  const all = scaling['mscale_all_dim'] ?? 0;
  const stretch = all ? 0.1 * all * Math.log(scaling['factor']!) + 1 : 1;
  const join = (a: Vector, b: Vector): Vector => Float64Array.from([...a, ...b]);
  return (inputs) => {
    const queries = inputs.map((x, position) =>
      headsOf(q(x), nope + turned).map((head) =>
        join(head.slice(0, nope), rotate(head.slice(nope), position, rotation)),
      ),
    );
    const compressed = inputs.map((x) => part('kv_a_proj_with_mqa')(x));
    const expanded = compressed.map((c) =>
      headsOf(part('kv_b_proj')(norm(c.slice(0, rank))), nope + valueSize),
    );
    const keys = expanded.map((parts, position) => {
      const shared = rotate(compressed[position]!.slice(rank), position, rotation);
      return parts.map((head) => join(head.slice(0, nope), shared));
    });
    const values = expanded.map((parts) => parts.map((head) => head.slice(nope)));
    const scaleOfScores = stretch ** 2 / Math.sqrt(nope + turned);
    if (queries[0]!.length !== heads) throw new Error('the queries do not have the heads of config.json');
    return attend(queries, keys, values, { scale: scaleOfScores }).map(part('o_proj'));
  };
}
