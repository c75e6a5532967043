import { describe, expect, it } from 'vitest';
import { packTensors } from '../../../src/model/packTensors';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { TensorTable } from '../../../src/protocol/tensorTable';
import { parseFilter } from '../../../webview/filter';
import { linesOf } from '../../../webview/lines';
import type { TreeGrouping } from '../../../webview/tensorPaths';
import { buildTree, leavesOf, type TreeGroup, type TreeNode } from '../../../webview/tree';
import { TreeFigures } from '../../../webview/treeFigures';
import { matching, pathTo, PlannedBits, sorted, type Sort } from '../../../webview/treeRows';

const tensor = (name: string, shape: readonly number[], bits = 16): TensorDescriptor => {
  const elements = shape.reduce((product, size) => product * size, 1);
  const place = { file: '/m', offset: 0, byteLength: (elements * bits) / 8 };
  return { name, dtype: bits === 16 ? 'BF16' : `Q${bits}_0`, shape, elements, ...place, readable: true };
};

/** A mixture of two layers with two experts, in the order of a file that sorts names. */
const mixture = [
  tensor('lm_head.weight', [10, 4]),
  tensor('model.embed_tokens.weight', [10, 4]),
  ...[0, 1].flatMap((layer) => [
    tensor(`model.layers.${layer}.input_layernorm.weight`, [4]),
    ...[0, 1].flatMap((expert) =>
      ['down', 'gate', 'up'].map((part) =>
        tensor(
          `model.layers.${layer}.mlp.experts.${expert}.${part}_proj.weight`,
          [4, 4],
          layer === 0 ? 4 : 8,
        ),
      ),
    ),
    tensor(`model.layers.${layer}.mlp.gate.weight`, [2, 4]),
    tensor(`model.layers.${layer}.post_attention_layernorm.weight`, [4]),
    ...['k', 'o', 'q', 'v'].map((part) =>
      tensor(`model.layers.${layer}.self_attn.${part}_proj.weight`, [4, 4]),
    ),
    tensor(`model.layers.${layer}.self_attn.q_proj.bias`, [4]),
  ]),
  tensor('model.norm.weight', [4]),
];

/** Lines as indented labels. */
function lines(
  root: TreeGroup,
  expanded: ReadonlySet<string> | 'all',
  sort?: Sort,
  planned = new PlannedBits(),
  figures = new TreeFigures(),
): string[] {
  const arranged = sort && ((siblings: readonly TreeNode[]) => sorted(siblings, sort, { planned, figures }));
  return linesOf(root.children, expanded, arranged).map(({ node, depth }) => {
    const times = node.kind === 'group' && node.repeats > 0 ? ` × ${node.repeats}` : '';
    return '  '.repeat(depth) + node.label + times;
  });
}

const tableOf = (tensors: readonly TensorDescriptor[]): TensorTable => new TensorTable(packTensors(tensors));
const table = tableOf(mixture);
const tree = (grouping: TreeGrouping = 'layer'): TreeGroup => buildTree(table, grouping);

describe('the tree', () => {
  it('has blocks and experts as one line each until they are unfolded', () => {
    expect(lines(tree(), new Set())).toEqual(['embed_tokens', 'layers × 2', 'norm', 'lm_head']);
  });

  it('is in order of execution', () => {
    const open = new Set([
      'model.layers.',
      'model.layers.0.',
      'model.layers.0.self_attn.',
      'model.layers.0.mlp.',
    ]);
    expect(lines(tree(), open)).toEqual([
      'embed_tokens',
      'layers × 2',
      ...['  0', '    input_layernorm', '    self_attn'],
      ...['q_proj.bias', 'q_proj', 'k_proj', 'v_proj', 'o_proj'].map((label) => `      ${label}`),
      ...['    post_attention_layernorm', '    mlp', '      gate', '      experts × 2'],
      ...['  1', 'norm', 'lm_head'],
    ]);
  });

  it('is in order of execution in the names of GGUF', () => {
    const parts = [
      'ffn_down',
      'attn_output',
      'attn_q',
      'ffn_norm',
      'attn_norm',
      'attn_k',
      'ffn_gate',
      'attn_v',
      'ffn_up',
    ];
    const names = ['output', 'output_norm', ...parts.map((part) => `blk.0.${part}`), 'token_embd'];
    const rows = lines(buildTree(tableOf(names.map((name) => tensor(`${name}.weight`, [4, 4])))), 'all');
    expect(rows.map((row) => row.trim())).toEqual([
      ...['token_embd', 'blk.0', 'attn_norm', 'attn_q', 'attn_k', 'attn_v', 'attn_output'],
      ...['ffn_norm', 'ffn_gate', 'ffn_up', 'ffn_down', 'output_norm', 'output'],
    ]);
  });

  it('groups tensors of the same role of all layers', () => {
    expect(lines(tree('role'), new Set(['model.layers.']))).toEqual([
      'embed_tokens',
      'layers',
      ...['input_layernorm.weight × 2', 'self_attn.q_proj.bias × 2', 'self_attn.q_proj.weight × 2'].map(
        indent,
      ),
      ...['self_attn.k_proj.weight × 2', 'self_attn.v_proj.weight × 2', 'self_attn.o_proj.weight × 2'].map(
        indent,
      ),
      ...['post_attention_layernorm.weight × 2', 'mlp.gate.weight × 2'].map(indent),
      ...['gate', 'up', 'down'].map((part) => indent(`mlp.experts.${part}_proj.weight × 2`)),
      ...['norm', 'lm_head'],
    ]);
    const experts = linesOf(tree('role').children, 'all').find(({ node }) =>
      node.label.startsWith('mlp.experts.up'),
    )!;
    expect([...leavesOf(experts.node)].map(({ id }) => id)).toEqual(
      ['0.mlp.experts.0', '0.mlp.experts.1', '1.mlp.experts.0', '1.mlp.experts.1'].map(
        (place) => `model.layers.${place}.up_proj.weight`,
      ),
    );
  });

  it('folds blocks and experts into one line for each of their parts', () => {
    const open = new Set(
      ['', '.mlp', '.mlp.experts', '.mlp.experts.up_proj.weight'].map((path) => `model.layers${path}.`),
    );
    expect(lines(tree('folded'), open)).toEqual([
      ...['embed_tokens', 'layers × 2', '  input_layernorm.weight × 2', '  self_attn × 2'],
      ...['  post_attention_layernorm.weight × 2', '  mlp × 2', '    gate.weight × 2', '    experts × 2'],
      ...['      gate_proj.weight × 2', '      up_proj.weight × 2', '        0 × 2', '        1 × 2'],
      ...['      down_proj.weight × 2', 'norm', 'lm_head'],
    ]);
    const layers = tree('folded').children.find(({ label }) => label === 'layers')!;
    expect(layers).toMatchObject({ tensors: mixture.length - 3, minBits: 4, maxBits: 16 });
    expect(pathTo(tree('folded'), table.indexOf('model.layers.1.mlp.experts.0.up_proj.weight'))).toEqual(
      ['', '.mlp', '.mlp.experts', '.mlp.experts.up_proj.weight', '.mlp.experts.up_proj.weight.1'].map(
        (path) => `model.layers${path}.`,
      ),
    );
  });

  it('counts the blocks that have a part, and leaves names without blocks as they are', () => {
    const names = [
      ...[0, 1, 2, 3].map((layer) => `blk.${layer}.attn_norm`),
      ...['blk.3.attn_q', 'blk.1.attn_q', 'output', 'a.b', 'a.c'],
    ];
    const root = buildTree(tableOf(names.map((name) => tensor(`${name}.weight`, [4, 4]))), 'folded');
    expect(lines(root, new Set(['blk.']))).toEqual([
      ...['a', 'blk × 4', '  attn_norm.weight × 4', '  attn_q.weight × 2', 'output'],
    ]);
  });

  it('can be a plain list of names', () => {
    expect(lines(tree('none'), new Set())).toHaveLength(mixture.length);
    expect(lines(tree('none'), new Set())[1]).toBe('model.layers.0.input_layernorm');
  });

  it('knows totals, and what all tensors of a group have in common', () => {
    const experts = linesOf(tree('role').children, 'all').find(({ node }) =>
      node.label.startsWith('mlp.experts.up'),
    )!;
    expect(experts.node).toMatchObject({
      tensors: 4,
      parameters: 64,
      bytes: 48,
      minBits: 4,
      maxBits: 8,
      shape: '4 × 4',
    });
    expect(experts.node).toHaveProperty('dtype', undefined);
    expect(tree()).toMatchObject({ tensors: mixture.length, minBits: 4, maxBits: 16 });
  });
});

const indent = (text: string): string => `  ${text}`;

describe('a filtered tree', () => {
  it('has the matching tensors with totals of their own', () => {
    const filter = parseFilter('q_proj & !layers.0 & !bias');
    if (filter.kind !== 'test') throw new Error('the filter is not understood');
    const part = buildTree(table, 'layer', matching(table, filter.matches));
    expect(lines(part, 'all')).toEqual(['layers × 1', '  1', '    self_attn', '      q_proj']);
    expect(part).toMatchObject({ tensors: 1, parameters: 16, bytes: 32 });
  });
});

describe('a sorted tree', () => {
  it('orders siblings by a column', () => {
    expect(lines(tree(), new Set(), { column: 'bytes', descending: true })).toEqual([
      ...['layers × 2', 'embed_tokens', 'lm_head', 'norm'],
    ]);
    expect(lines(tree('none'), new Set(), { column: 'bits', descending: false })[0]).toBe(
      'model.layers.0.mlp.experts.0.gate_proj',
    );
    expect(lines(tree(), new Set(), { column: 'name', descending: true })).toEqual([
      ...['norm', 'lm_head', 'layers × 2', 'embed_tokens'],
    ]);
  });

  it('orders by the bits of a plan', () => {
    const bits: Readonly<Record<string, number>> = {
      'model.layers.0.mlp.gate.weight': 8,
      'model.layers.1.mlp.gate.weight': 4.5,
      'model.norm.weight': 6,
    };
    const formats = Object.values(bits).map((value) => ({ format: `Q${value}`, bits: value }));
    const planned = new PlannedBits({
      formats,
      of: mixture.map(({ name }) => formats.findIndex((format) => format.bits === bits[name])),
    });
    const nodeOf = (id: string): TreeNode => tree().children.find((node) => node.id === id)!;
    expect(planned.rangeOf(nodeOf('model.layers.'))).toEqual({ min: 4.5, max: 8 });
    expect(planned.rangeOf(nodeOf('lm_head.weight'))).toBeUndefined();
    const rows = lines(tree(), new Set(), { column: 'plan', descending: true }, planned);
    expect(rows.slice(0, 2)).toEqual(['layers × 2', 'norm']);
  });
});

describe('figures of a tree', () => {
  const errors = mixture.map(({ name }) => {
    const [, layer, part] = /layers\.(\d)\.mlp\.experts\.\d\.(\w+)_proj/.exec(name) ?? [];
    return part === 'up' ? 0.01 * (Number(layer) + 1) : part === 'down' ? 0.5 : NaN;
  });
  const figures = new TreeFigures([
    { id: 'error', hint: 'Relative error.', values: Float64Array.from(errors) },
    { id: 'gain', hint: 'Gain.', values: new Float64Array(mixture.length).fill(NaN) },
  ]);
  const roles = linesOf(tree('role').children, 'all').map(({ node }) => node);
  const up = roles.find(({ label }) => label.startsWith('mlp.experts.up'))!;

  it('are ranges where lines are folded, and nothing where nothing is known', () => {
    expect(figures.rangeOf('error', up)).toEqual({ min: 0.01, max: 0.02 });
    expect(figures.textOf('error', up)).toEqual({ text: '0.010–0.020', title: '0.01000–0.02000' });
    const [single] = [...leavesOf(up)];
    expect(figures.textOf('error', single!)).toEqual({ text: '0.0100', title: '0.01000' });
    expect(figures.textOf('gain', up).text).toBe('');
    expect(figures.textOf('absMax', up).text).toBe('');
    expect([figures.hintOf('error'), figures.hintOf('absMax')]).toEqual(['Relative error.', undefined]);
  });

  it('order lines by the largest of their tensors, in both directions with the unknown last', () => {
    const of = (descending: boolean): string[] =>
      lines(tree('role'), new Set(['model.layers.']), { column: 'error', descending }, undefined, figures)
        .filter((line) => line.startsWith('  '))
        .map((line) => line.trim());
    const experts = ['down', 'up'].map((part) => `mlp.experts.${part}_proj.weight × 2`);
    expect(of(true).slice(0, 3)).toEqual([...experts, 'input_layernorm.weight × 2']);
    expect(of(false).slice(0, 3)).toEqual([...experts.toReversed(), 'input_layernorm.weight × 2']);
  });
});

describe('a tree of many tensors', () => {
  it('looks at no names before groups are opened', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `model.layers.${i}.mlp.up_proj.weight`);
    const many = tableOf(names.map((name) => tensor(name, [4, 4])));
    let named = 0;
    const name = many.name.bind(many);
    many.name = (i) => {
      named += 1;
      return name(i);
    };
    const root = buildTree(many);
    expect(lines(root, new Set())).toEqual(['model.layers × 1000']);
    const rows = linesOf(root.children, new Set(['model.layers.']));
    expect([rows.length, named]).toEqual([1001, 0]);
    expect(rows[1000]!.node).toMatchObject({ label: '999.mlp', bytes: 32 });
  });
});

describe('a path', () => {
  it('is whatever contains a tensor', () => {
    expect(pathTo(tree(), table.indexOf('model.layers.1.mlp.experts.0.up_proj.weight'))).toEqual(
      ['', 'mlp.', 'mlp.experts.', 'mlp.experts.0.']
        .map((path) => `model.layers.1.${path}`)
        .toSpliced(0, 0, 'model.layers.'),
    );
    expect(pathTo(tree(), table.indexOf('nothing'))).toBeUndefined();
  });
});
