/** What a tensor is for, as far as mixtures know. */
export type Role =
  'output' | 'embedding' | 'value' | 'key' | 'query' | 'attention output' | 'up' | 'gate' | 'down' | 'other';

/** In llama.cpp's order: the first match counts. */
const roles: readonly (readonly [RegExp, Role])[] = [
  [/^output\.weight$/, 'output'],
  [/^(per_layer_)?token_embd\.weight$/, 'embedding'],
  [/attn_(v|qkv|kv_b)\.weight/, 'value'],
  [/attn_k\.weight/, 'key'],
  [/attn_q\.weight/, 'query'],
  [/attn_output\.weight/, 'attention output'],
  [/ffn_up/, 'up'],
  [/ffn_gate/, 'gate'],
  [/ffn_down/, 'down'],
];

export const feedForward: ReadonlySet<Role> = new Set(['up', 'gate', 'down']);

/** The role of a tensor by its GGUF name. */
export function roleOf(name: string): Role {
  return roles.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}
