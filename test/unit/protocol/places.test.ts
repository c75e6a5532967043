import { expect, it } from 'vitest';
import { placeOf } from '../../../src/protocol/places';

it.each([
  [
    'model.layers.3.mlp.experts.7.up_proj.weight',
    { wrapper: ['model', 'layers'], numbers: ['3', '7'], role: 'mlp.experts.up_proj', label: 'up_proj' },
  ],
  ['blk.12.ffn_down.weight', { wrapper: ['blk'], numbers: ['12'], role: 'ffn_down', suffix: '.weight' }],
  ['transformer.h.0.attn.c_attn.bias', { numbers: ['0'], role: 'attn.c_attn.bias', label: 'c_attn.bias' }],
  ['lm_head.weight', { modules: [], wrapper: [], numbers: [], role: 'lm_head', label: 'lm_head' }],
  ['weights.5', { wrapper: ['weights'], numbers: ['5'], role: '', label: '5', suffix: '' }],
  ['weight', { label: 'weight', suffix: '', role: 'weight' }],
])('the place of a tensor is read from the name %s', (name, place) =>
  expect(placeOf(name)).toMatchObject(place),
);
