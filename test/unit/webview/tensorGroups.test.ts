import { describe, expect, it } from 'vitest';
import { linesOf } from '../../../webview/lines';
import type { Grouping } from '../../../src/protocol/places';
import { groupTensors, type TensorNode } from '../../../webview/tensorGroups';

const names = [
  'model.embed_tokens.weight',
  ...[0, 1].flatMap((layer) => [
    `model.layers.${layer}.self_attn.q_proj.weight`,
    ...[0, 1, 2].map((expert) => `model.layers.${layer}.mlp.experts.${expert}.up_proj.weight`),
  ]),
  'lm_head.weight',
];

/** The lines as text: indented labels, groups with their number of tensors. */
function drawn(by: Grouping, open: ReadonlySet<string>, order?: (a: TensorNode, b: TensorNode) => number) {
  return linesOf(groupTensors(names, by), open, order && ((siblings) => siblings.toSorted(order))).map(
    ({ node, depth, open: isOpen }) =>
      `${'  '.repeat(depth)}${node.label}${isOpen === undefined ? '' : ` × ${node.members.length}`}`,
  );
}

describe('groups of tensors', () => {
  it('are layers and their roles', () => {
    expect(drawn('layer', new Set())).toEqual([
      'model.embed_tokens',
      'layer 0 × 4',
      'layer 1 × 4',
      'lm_head',
    ]);
    expect(drawn('layer', new Set(['layer 1', 'layer 1/mlp.experts.up_proj']))).toEqual([
      'model.embed_tokens',
      'layer 0 × 4',
      'layer 1 × 4',
      '  self_attn.q_proj',
      '  mlp.experts.up_proj × 3',
      '    0',
      '    1',
      '    2',
      'lm_head',
    ]);
  });

  it('are roles and their layers', () => {
    expect(drawn('role', new Set(['self_attn.q_proj', 'mlp.experts.up_proj']))).toEqual([
      'model.embed_tokens',
      'self_attn.q_proj × 2',
      '  layer 0',
      '  layer 1',
      'mlp.experts.up_proj × 6',
      '  layer 0 × 3',
      '  layer 1 × 3',
      'lm_head',
    ]);
  });

  it('can be left out', () => expect(drawn('none', new Set())).toEqual(names));

  it('hold every tensor once', () => {
    for (const by of ['layer', 'role', 'none'] as const) {
      const members = groupTensors(names, by).flatMap((node) => node.members);
      expect([...members].sort((a, b) => a - b)).toEqual(names.map((_, index) => index));
    }
  });

  it('are ordered within what they are part of', () => {
    const last = (node: TensorNode): number => Math.max(...node.members);
    expect(drawn('layer', new Set(['layer 0']), (a, b) => last(b) - last(a))).toEqual([
      'lm_head',
      'layer 1 × 4',
      'layer 0 × 4',
      '  mlp.experts.up_proj × 3',
      '  self_attn.q_proj',
      'model.embed_tokens',
    ]);
  });

  it('name what has nothing but a number after what it is in', () => {
    const label = (by: Grouping) => groupTensors(['weights.5', 'weights.6'], by).map((node) => node.label);
    expect(label('layer')).toEqual(['layer 5', 'layer 6']);
    expect(label('role')).toEqual(['weights']);
  });
});
