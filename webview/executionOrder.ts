/**
 * Where the parts of a model come in its forward pass, by their names in the spellings of Hugging Face and GGUF.
 * The first matching pattern counts. Only parts of one parent are compared, so numbers are meaningful only among siblings.
 */
const places: readonly (readonly [RegExp, number])[] = [
  [/^(lm_head|output|embed_out|score|classifier)\b/, 70],
  [/^(token_embd|embed_tokens|wte|word_embeddings|embed_in|tok_embeddings)\b/, 0],
  [/^(token_types|position_embd|wpe|embed|rope_freqs)/, 1],
  [/^(layers|blk|h|blocks|encoder|decoder)$/, 50],
  [/^(output_norm|ln_f|final_layer_?norm|final_norm)/, 60],
  [/^(input_layernorm|attn_norm|ln_1|attention_norm|pre_attn)/, 10],
  [/^(self_attn|attn|self_attention|attention|linear_attn|mixer)$/, 20],
  [/^(qkv|query_key_value|Wqkv|c_attn|attn_qkv)/, 21],
  [/^(attn_)?q(_a|_b)?(_proj)?$|^wq$/, 22],
  [/^(attn_)?(k|kv_a|kv_b|k_b)(_proj(_with_mqa|_mqa)?|_mqa)?$|^wk$/, 23],
  [/^(attn_)?v(_b)?(_proj)?$|^wv$/, 24],
  [/^(attn_)?(q|k|kv_a|q_a)_(layer)?norm/, 25],
  [/^(o_proj|attn_output|wo|out_proj|dense|c_proj)\b/, 28],
  [/^(post_attention|post_attn)/, 30],
  [/^(pre_feedforward|ffn_norm|ln_2|pre_mlp)/, 31],
  [/^(mlp|feed_forward|ffn|block_sparse_moe|moe)$/, 40],
  [/^(gate|router|ffn_gate_inp)\b/, 41],
  [/^(gate_proj|w1|ffn_gate(_exps)?|gate_up_proj)\b/, 42],
  [/^(up_proj|w3|ffn_up(_exps)?|c_fc|fc1|dense_h_to_4h)\b/, 43],
  [/^(down_proj|w2|ffn_down(_exps)?|fc2|dense_4h_to_h)\b/, 44],
  [/^experts/, 45],
  [/^(shared_expert|ffn_\w+_shexp)/, 46],
  [/^(post_feedforward|post_ffw|post_mlp)/, 47],
  [/norm/, 60],
];

const unknown = 48;

const placeOf = (part: string): number => places.find(([pattern]) => pattern.test(part))?.[1] ?? unknown;

/** Numbers in names in their order: layer 2 before layer 10. */
const collator = new Intl.Collator('en', { numeric: true });
export const naturalOrder = (a: string, b: string): number => collator.compare(a, b);

/** A part of a name: where it comes, and its number where it is nothing else. */
interface Part {
  readonly text: string;
  readonly place: number;
  readonly number: number;
}

/** Parts of names: a model of a hundred thousand tensors has a few hundred distinct ones among siblings, most of them numbers of experts. */
const known = new Map<string, readonly Part[]>();
const mostKnown = 20_000;

function partsOf(name: string): readonly Part[] {
  const found = known.get(name);
  if (found) return found;
  if (known.size >= mostKnown) known.clear();
  const parts = name.split('.').map((text) => ({ text, place: placeOf(text), number: numberOf(text) }));
  known.set(name, parts);
  return parts;
}

/** NaN for texts, and for numbers that floats do not tell apart. */
const numberOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : NaN);

/**
 * Siblings in order of execution, part by part; parts of the same place go by name, with numbers in their order.
 * @param nameOf an item, without what its parents say: "self_attn", "mlp.gate_proj.weight", "12". It is asked for once.
 */
export function inOrder<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  return items
    .map((item) => {
      const name = nameOf(item);
      return { item, name, parts: partsOf(name) };
    })
    .sort((a, b) => byParts(a.parts, b.parts, a.name, b.name))
    .map(({ item }) => item);
}

function byParts(parts: readonly Part[], others: readonly Part[], a: string, b: string): number {
  for (let i = 0; i < parts.length; i++) {
    const [part, other] = [parts[i]!, others[i]];
    if (other === undefined) return 1;
    if (part.text === other.text) continue;
    const difference = part.number - other.number;
    if (!Number.isNaN(difference)) return difference;
    return part.place - other.place || naturalOrder(part.text, other.text);
  }
  return a.length - b.length;
}
