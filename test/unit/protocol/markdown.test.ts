import { expect, it } from 'vitest';
import { markdownCode, markdownText } from '../../../src/protocol/markdown';

it.each([
  ['a`b](command:x) <b> ![i](u)\n# h | c', 'a\\`b\\](command:x) \\<b\\> \\!\\[i\\](u) \\# h \\| c'],
  ['model.layers.0.self_attn.q_proj.weight', 'model.layers.0.self_attn.q_proj.weight'],
  ['_a_ b_ __init__', '\\_a\\_ b\\_ \\_\\_init\\_\\_'],
  ['https://x.y www.x.y a@b.c', 'https\\://x.y www\\.x.y a\\@b.c'],
  ['&lt;script&gt;', '\\&lt;script\\&gt;'],
  ['- a\n- b', '\\- a - b'],
  ['1. a', '1\\. a'],
  ['$x^2$ ~~y~~ **z** :smile: at 1:2', '\\$x\\^2\\$ \\~\\~y\\~\\~ \\*\\*z\\*\\* \\:smile: at 1:2'],
  ['a\u2028b\u0000c', 'a b c'],
  ['int4 in groups of 128; E4M3 (GPTQ).', 'int4 in groups of 128; E4M3 (GPTQ).'],
])('%j is shown as it is', (text, markdown) => expect(markdownText(text)).toBe(markdown));

it.each([
  ['a.b_c', '`a.b_c`'],
  ['a|b', '`a\\|b`'],
  ['a`b', '``a`b``'],
  ['``a', '``` ``a ```'],
  ['<img src=x>', '`<img src=x>`'],
  ['a\n\n# b', '`a # b`'],
  ['', '`  `'],
])('%j is shown as code', (text, markdown) => expect(markdownCode(text)).toBe(markdown));
