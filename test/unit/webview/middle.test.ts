import { expect, it } from 'vitest';
import { splitMiddle } from '../../../webview/middle';

it.each([
  ['short', 'short', ''],
  ['input_layernorm', 'input', '_layernorm'],
  ['model.layers.31.self_attn.k_proj', 'model.layers.31', '.self_attn.k_proj'],
  ['mlp.experts.127.down_proj.weight', 'mlp.experts.127', '.down_proj.weight'],
  ['abcdefghijklmnopqrstuvwxyz', 'abcdefghijklmnopq', 'rstuvwxyz'],
])('%s is cut in its middle', (name, head, tail) => {
  expect(splitMiddle(name)).toEqual([head, tail]);
  expect(head + tail).toBe(name);
});
