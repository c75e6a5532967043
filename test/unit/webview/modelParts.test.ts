import { describe, expect, it } from 'vitest';
import { packTensors } from '../../../src/model/packTensors';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { TensorTable } from '../../../src/protocol/tensorTable';
import { parseFilter } from '../../../webview/filter';
import { blockLayout } from '../../../webview/model/blockLayout';
import { blockKinds, partsOfBlock } from '../../../webview/model/blocks';
import { bytesByRole } from '../../../src/protocol/bytesByRole';
import { partOfRole, placedTensors as placedIn } from '../../../src/protocol/parts';
import { squarify } from '../../../src/protocol/treemap';
import { undescribedModels } from '../../support/undescribedModels';
import { checkpoints } from '../../support/checkpoints';

const tensorsOf = (shapes: Readonly<Record<string, readonly number[]>>): TensorDescriptor[] =>
  Object.entries(shapes).map(([name, shape]) => {
    const elements = shape.reduce((product, size) => product * size, 1);
    const rest = { file: '/m', offset: 0, readable: true };
    return { name, dtype: 'BF16', shape, elements, byteLength: 2 * elements, ...rest };
  });
const placedTensors = (tensors: readonly TensorDescriptor[]) =>
  placedIn(new TensorTable(packTensors(tensors)));
const placedOf = (name: string) => placedTensors(tensorsOf(checkpoints[name]!.shapes));
const labelsOf = (name: string): string[] => blockKinds(placedOf(name)).map(({ label }) => label);

describe('kinds of blocks', () => {
  it.each([
    ['llama', ['2 × attention']],
    ['lfm2', ['1 × short convolution', '1 × attention']],
    ['lfm2 with experts', ['1 × short convolution, dense', '1 × attention, experts']],
    ['nemotronh', ['1 × state space', '2 × feed-forward', '1 × attention']],
    ['falconh1', ['2 × attention and state space']],
    ['deepseek2', ['1 × latent attention, dense', '2 × latent attention, experts']],
    ['gemma4', ['3 × attention, from layer 0', '3 × attention, from layer 3']],
    ['qwen2vl', ['2 × attention']],
    ['gpt2', ['2 × attention']],
  ])('of %s are told apart by their tensors', (name, labels) => expect(labelsOf(name)).toEqual(labels));

  it('are the same for the names of GGUF', () => {
    const block = (index: number, ...parts: string[]) =>
      parts.map((part): [string, number[]] => [`blk.${index}.${part}.weight`, [8, 8]]);
    const shapes = Object.fromEntries([
      ...block(0, 'attn_norm', 'attn_kv_a_mqa', 'attn_output', 'ffn_norm', 'ffn_up', 'ffn_down'),
      ...block(1, 'attn_norm', 'attn_kv_a_mqa', 'attn_output', 'ffn_norm', 'ffn_gate_inp', 'ffn_up_exps'),
      ...block(2, 'attn_norm', 'ssm_in', 'ssm_a', 'ssm_out', 'ffn_norm', 'ffn_up', 'ffn_down'),
    ]);
    expect(blockKinds(placedTensors(tensorsOf(shapes))).map(({ label }) => label)).toEqual([
      '1 × latent attention, dense',
      '1 × latent attention, experts',
      '1 × state space, dense',
    ]);
  });
});

describe('the parts of a block', () => {
  it('of all architectures of llama.cpp have names of their own', () => {
    const roles = Object.values(undescribedModels).flatMap(({ parts = [] }) => parts);
    const unknown = roles.filter(
      (role) => partOfRole(role.replace(/\.(weight|bias|scale)$/, '')).id === role,
    );
    expect(new Set(unknown)).toEqual(new Set());
  });

  const rowsOf = (name: string, kind = 0) => {
    const placed = placedOf(name);
    const { stack, layers } = blockKinds(placed)[kind]!;
    return partsOfBlock(placed, { stack }, layers[0]!);
  };
  const idsOf = (name: string, kind = 0): string[] => rowsOf(name, kind).map(({ id }) => id);

  it('are in the order of the forward pass, queries before keys before values', () => {
    expect(idsOf('qwen3')).toEqual([
      'ffnNorm',
      'attnNorm',
      'q',
      'k',
      'v',
      'qNorm',
      'kNorm',
      'ffnGate',
      'ffnUp',
      'ffnDown',
      'attnOut',
    ]);
  });

  it('count experts, whether these have tensors of their own or are stacked', () => {
    const experts = (name: string) =>
      rowsOf(name).flatMap(({ id, experts: count }) => (id === 'expertDown' ? [count] : []));
    expect(experts('mixtral')).toEqual([4]);
    expect(experts('gpt-oss')).toEqual([4]);
  });

  it('of Gemma has the norm after attention where that is, whatever its name is elsewhere', () => {
    const post = rowsOf('gemma2').find(({ role }) => role === 'post_attention_layernorm')!;
    expect(post).toMatchObject({ row: 'mixer', label: 'post norm' });
    expect(rowsOf('llama').find(({ role }) => role === 'post_attention_layernorm')).toMatchObject({
      row: 'feedForward',
    });
  });

  it('leave out masks and frequencies that older checkpoints keep', () => {
    const ids = idsOf('gptneox with buffers, as transformers 5 writes it');
    expect(ids).not.toContain('attention');
    expect(ids).toContain('qkv');
  });

  it.each(Object.keys(checkpoints))('of %s have boxes that do not overlap, and are all drawn', (name) => {
    const placed = placedOf(name);
    for (const kind of blockKinds(placed)) {
      const parts = partsOfBlock(placed, kind, kind.layers[0]!);
      const { nodes, width, height } = blockLayout(parts, true);
      expect(nodes.filter(({ part }) => part)).toHaveLength(parts.length);
      for (const [i, a] of nodes.entries()) {
        expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true);
        for (const b of nodes.slice(i + 1)) {
          const apart =
            a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
          expect(apart, `${a.id} and ${b.id}`).toBe(true);
        }
      }
    }
  });

  it('have the steps between them that the block takes', () => {
    const stepsOf = (name: string, hasRope: boolean, kind = 0) =>
      blockLayout(rowsOf(name, kind), hasRope)
        .nodes.filter(({ part }) => !part)
        .map(({ label }) => label);
    expect(stepsOf('llama', true)).toEqual(['rope', 'attention', '+', '× act', '+']);
    expect(stepsOf('gpt2', false)).toEqual(['attention', '+', 'act', '+']);
    expect(stepsOf('mamba2', false)).toEqual(['scan', '+']);
    expect(stepsOf('mixtral', true)).toEqual(['rope', 'attention', '+', 'top k', '× act', '+']);
  });
});

describe('where the bytes are', () => {
  it('adds up to all of the model, the largest first, by role and dtype', () => {
    for (const name of ['llama', 'mixtral', 'lfm2', 'qwen2vl']) {
      const tensors = tensorsOf(checkpoints[name]!.shapes);
      const areas = bytesByRole(placedTensors(tensors), 'bytes');
      const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(areas.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(total);
      for (const { roles, bytes } of areas) {
        expect(roles.reduce((sum, role) => sum + role.bytes, 0)).toBe(bytes);
        const sizes = roles.map((role) => role.bytes);
        expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
      }
    }
  });

  it('has filters that find the tensors of a role and no others', () => {
    for (const name of ['llama', 'mixtral', 'gemma3n', 'deepseek2', 'gpt2']) {
      const tensors = tensorsOf(checkpoints[name]!.shapes);
      for (const { roles, area } of bytesByRole(placedTensors(tensors), 'bytes')) {
        for (const { filter, tensors: count } of area === 'norm' || area === 'other' ? [] : roles) {
          const parsed = parseFilter(filter);
          const found = tensors.filter(
            ({ name: tensor }) => parsed.kind === 'test' && parsed.matches({ name: tensor, texts: [] }),
          );
          expect(found.length, `${name} ${filter}`).toBe(count);
        }
      }
    }
  });
});

describe('rectangles in the proportions of values', () => {
  const box = { x: 10, y: 20, width: 600, height: 400 };

  it('fill the box, with the area of each in proportion', () => {
    const values = [6, 6, 4, 3, 2, 2, 1];
    const boxes = squarify(values, box);
    for (const [i, { width, height }] of boxes.entries())
      expect(width * height).toBeCloseTo((values[i]! / 24) * 240_000, 6);
    for (const { x, y, width, height } of boxes) {
      expect(x).toBeGreaterThanOrEqual(10 - 1e-9);
      expect(x + width).toBeLessThanOrEqual(610 + 1e-9);
      expect(y).toBeGreaterThanOrEqual(20 - 1e-9);
      expect(y + height).toBeLessThanOrEqual(420 + 1e-9);
    }
  });

  it('are those of the paper, none longer than three times its width', () => {
    const boxes = squarify([6, 6, 4, 3, 2, 2, 1], { x: 0, y: 0, width: 6, height: 4 });
    expect(boxes[0]).toEqual({ x: 0, y: 0, width: 3, height: 2 });
    expect(boxes[1]).toEqual({ x: 0, y: 2, width: 3, height: 2 });
    const ratios = boxes.map(({ width, height }) => Math.max(width / height, height / width));
    expect(Math.max(...ratios)).toBeLessThan(3);
  });

  it('of nothing are empty', () => {
    expect(squarify([], box)).toEqual([]);
    expect(squarify([0], box)).toEqual([{ ...box, width: 0, height: 0 }]);
  });
});
