import { expect, it } from 'vitest';
import { shortened, splitMiddle } from '../../../webview/middle';

it.each([
  ['short', 'short', '', ''],
  ['input_layernorm', 'input', '', '_layernorm'],
  ['blk.0.attn_v', 'blk.', '0.', 'attn_v'],
  ['model.layers.31.self_attn.k_proj', 'model.layers.', '31.', 'self_attn.k_proj'],
  ['mlp.experts.127.down_proj.weight', 'mlp.experts.', '127.', 'down_proj.weight'],
  ['model.layers.3.mlp.experts.12.up_proj', 'model.layers.', '3.', 'mlp.experts.12.up_proj'],
  ['model.visual.merger.linear_fc1', 'model.visual', '', '.merger.linear_fc1'],
  ['abcdefghijklmnopqrstuvwxyz', 'abcdefghijklmnopq', '', 'rstuvwxyz'],
])('%s is cut in its middle', (name, head, key, tail) => {
  expect(splitMiddle(name)).toEqual({ head, key, tail });
  expect(head + key + tail).toBe(name);
});

it.each([
  [30, 'post_attention_layernorm', 'post_attention_layernorm'],
  [20, 'post_attention_layernorm', 'post_atte…_layernorm'],
  [8, 'mlp.experts.12.up_proj', 'ml…_proj'],
  [19, 'model.layers.31.self_attn.k_proj', 'mo…self_attn.k_proj'],
  [23, 'model.layers.31.self_attn.k_proj', 'mod…31.self_attn.k_proj'],
  [1, 'output', '…t'],
])('in %i letters %s is %s', (letters, name, expected) => {
  expect(shortened(name, (text) => text.length <= letters)).toBe(expected);
});
