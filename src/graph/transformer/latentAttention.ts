import type { Value } from '../onnxWriter';
import { rotateHeads, separateHeads } from './attention';
import type { BlockShape, LatentAttentionMixer } from './blockShape';
import type { GraphParts } from './graphParts';
import type { Sequence } from './sequence';
import { attended, type AttentionSizes } from './softmaxAttention';
import type { Span } from './span';

/** What the parts of the attention have in common. */
interface Context {
  readonly parts: GraphParts;
  readonly block: BlockShape;
  readonly mixer: LatentAttentionMixer;
  readonly tokens: Span | Sequence;
}

/**
 * Multi-head latent attention (DeepSeek-V2, section 2.1): `[n, hidden]` → `[n, hidden]`. Keys and values of all heads come from one
 * compressed vector of a token, and all share one more part of the key, the only one that is rotated. As in llama.cpp, nothing is
 * decompressed where a file has the matrices of each head apart (`attn_k_b`, `attn_v_b`): queries are multiplied by that of keys, and means
 * of compressed vectors by that of values. So their inputs are measured and rounded where llama.cpp has them.
 */
export function latentAttention(
  parts: GraphParts,
  block: BlockShape,
  mixer: LatentAttentionMixer,
  tokens: Span | Sequence,
  x: Value,
): Value {
  const { ops } = parts;
  const { rank, plain, rotated, valueSize } = mixer;
  const { heads } = block;
  const context = { parts, block, mixer, tokens };
  const queries = separateHeads(parts, tokens, queriesOf(parts, x), [heads, plain + rotated]);
  const compressed = parts.linear(x, 'attn_kv_a_mqa');
  const latent = parts.norm(ops.slice(compressed, -1, 0, rank), 'attn_kv_a_norm');
  const shared = separateHeads(parts, tokens, ops.slice(compressed, -1, rank, rank + rotated), [1, rotated]);
  const sizes = latentSizes(block, mixer);
  const { query, key, value } = (isDecompressed(block) ? decompressed : notDecompressed)(
    context,
    ops.slice(queries, -1, 0, plain),
    latent,
  );
  const turn = (values: Value, count: number): Value =>
    rotateHeads(parts, block, tokens, values, [count, rotated]);
  const turned = turn(ops.slice(queries, -1, plain, plain + rotated), heads);
  const turnedShared = turn(shared, 1);
  const ofKeys = Array.from({ length: sizes.kvHeads }, () => turnedShared);
  const means = attended(parts, sizes, tokens, ops.concat([query, turned], -1), {
    key: ops.concat([key, ops.concat(ofKeys, 1)], -1),
    value,
  });
  const joined = isDecompressed(block)
    ? ops.transpose(means, [0, 2, 1, 3])
    : ops.transpose(parts.linearEach(byHead(context, means, rank), 'attn_v_b'), [1, 0, 2]);
  return parts.linear(ops.reshape(joined, [-1, heads * valueSize]), 'attn_output');
}

/** The sizes of the softmax attention, and so of what is kept of earlier tokens. */
export function latentSizes(block: BlockShape, mixer: LatentAttentionMixer): AttentionSizes {
  const { rank, plain, rotated, valueSize, scale } = mixer;
  return isDecompressed(block)
    ? { ...block, kvHeads: block.heads, headSize: plain + rotated, valueSize, scale }
    : { ...block, kvHeads: 1, headSize: rank + rotated, valueSize: rank, scale };
}

const isDecompressed = ({ tensors }: BlockShape): boolean => tensors.has('attn_kv_b.weight');

const queriesOf = (parts: GraphParts, x: Value): Value =>
  parts.has('attn_q_a.weight')
    ? parts.linear(parts.norm(parts.linear(x, 'attn_q_a'), 'attn_q_a_norm'), 'attn_q_b')
    : parts.linear(x, 'attn_q');

/** What is not rotated of queries and keys, and values: `[windows, heads or 1, length, size]` each. */
interface Seen {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** All heads see the compressed vectors of tokens, which are keys and values. */
function notDecompressed(context: Context, plainQuery: Value, latent: Value): Seen {
  const { parts, block, mixer, tokens } = context;
  const { ops } = parts;
  const multiplied = parts.linearEach(byHead(context, plainQuery, mixer.plain), 'attn_k_b');
  const size = block.heads * mixer.rank;
  const byToken = ops.reshape(ops.transpose(multiplied, [1, 0, 2]), [-1, size]);
  const query = separateHeads(parts, tokens, byToken, [block.heads, mixer.rank]);
  const value = separateHeads(parts, tokens, latent, [1, mixer.rank]);
  return { query, key: value, value };
}

/** Each head has its own keys and values. */
function decompressed({ parts, block, mixer, tokens }: Context, query: Value, latent: Value): Seen {
  const { ops } = parts;
  const { plain, valueSize } = mixer;
  const both = separateHeads(parts, tokens, parts.linear(latent, 'attn_kv_b'), [
    block.heads,
    plain + valueSize,
  ]);
  return {
    query,
    key: ops.slice(both, -1, 0, plain),
    value: ops.slice(both, -1, plain, plain + valueSize),
  };
}

/** `[windows, heads, length, size]` → `[heads, n, size]`. */
const byHead = ({ parts: { ops }, block }: Context, x: Value, size: number): Value =>
  ops.reshape(ops.transpose(x, [1, 0, 2, 3]), [block.heads, -1, size]);
