import { describe, expect, it } from 'vitest';
import { packTensors } from '../../../src/model/packTensors';
import { scanFigureNames, type ModelScan } from '../../../src/protocol/modelScan';
import { TensorTable } from '../../../src/protocol/tensorTable';
import { heatColor } from '../../../src/protocol/heatScale';
import { cellBox, layOutMap, numberedColumns, placeAt } from '../../../webview/charts/layerMapLayout';
import { bitsFigure, errorFigure, gainFigure, scannedFigures } from '../../../webview/model/figureSources';
import type { Figures } from '../../../webview/influence';
import { combined, inExecutionOrder, modelMap, scaleOf, valuesOf } from '../../../webview/model/layerFigures';
import { placedTensors } from '../../../src/protocol/parts';
import { allPlaces, membersAt } from '../../../webview/planMap';

const names = [
  'model.embed_tokens.weight',
  ...[0, 1].flatMap((layer) => [
    `model.layers.${layer}.mlp.experts.0.up_proj.weight`,
    `model.layers.${layer}.mlp.experts.1.up_proj.weight`,
    `model.layers.${layer}.self_attn.q_proj.weight`,
    `model.layers.${layer}.self_attn.q_proj.bias`,
  ]),
  'model.layers.1.self_attn.v_proj.weight',
];
const table = new TensorTable(
  packTensors(
    names.map((name) => ({
      ...{ name, dtype: 'BF16', shape: [4, 8], elements: 32, file: '/m', offset: 0 },
      ...{ byteLength: name.includes('v_proj') ? 32 : 64, readable: true },
    })),
  ),
);
const map = modelMap(placedTensors(table));

describe('a model by layer and role', () => {
  it('has rows in the order of the forward pass, experts in one cell, no biases', () => {
    expect(map).toMatchObject({
      layers: [0, 1],
      rows: [
        { role: 'self_attn.q_proj', cells: [[3], [7]] },
        { role: 'self_attn.v_proj', cells: [[], [9]] },
        {
          role: 'mlp.experts.up_proj',
          cells: [
            [1, 2],
            [5, 6],
          ],
        },
      ],
      others: [{ role: 'embed_tokens', members: [0] }],
    });
  });
});

it('tensors are listed as they are run: embedding, blocks, the rest', () => {
  const order = inExecutionOrder(placedTensors(table)).map(({ index }) => index);
  expect(order).toEqual([0, 3, 4, 1, 2, 7, 8, 9, 5, 6]);
});

describe('where cells are drawn', () => {
  const wide = layOutMap(map, 600);

  it.each([600, 300, 90])('in %i pixels each cell is found at its middle', (width) => {
    const layout = layOutMap(map, width);
    for (const place of allPlaces(map)) {
      const { x, y, width: w, height: h } = cellBox(layout, map, place);
      const found = placeAt(layout, map, x + w / 2, y + h / 2);
      expect(found).toEqual(membersAt(map, place).length > 0 ? place : undefined);
      expect(x + w).toBeLessThanOrEqual(layout.width);
      expect(y + h).toBeLessThanOrEqual(layout.height);
    }
  });

  it('is nowhere else', () => {
    expect(placeAt(wide, map, 10, 30)).toBeUndefined(); // a name
    expect(placeAt(wide, map, wide.width + 1, 30)).toBeUndefined();
    expect(placeAt(wide, map, wide.nameWidth + 5, 2)).toBeUndefined(); // the numbers of layers
    expect(placeAt(wide, map, wide.nameWidth + 5, wide.height + 5)).toBeUndefined();
  });

  it('leaves room for the longest name, as far as cells keep the most of the width', () => {
    const named = { layers: [0, 1], rows: [], others: [{ role: 'post_attention_layernorm', members: [0] }] };
    const widths = [1000, 400, 200].map((width) => layOutMap(named, width).nameWidth);
    expect(widths).toEqual([166, 112, 76]);
  });

  it('fits all layers of a deep model side by side', () => {
    const deep = { layers: Array.from({ length: 126 }, (_, i) => i), others: [], rows: [] };
    expect(layOutMap(deep, 700).width).toBeLessThanOrEqual(700);
    expect(layOutMap(deep, 200).step).toBe(3);
    const { step, layers } = layOutMap(deep, 700);
    const columns = numberedColumns({ step, layers });
    expect(columns[0]).toBe(0);
    for (const [i, column] of columns.slice(1).entries())
      expect((column - columns[i]!) * step).toBeGreaterThanOrEqual(24);
  });
});

describe('figures of tensors', () => {
  const figures = {
    ...{ revision: 1, measured: 3, devices: [], notes: [] },
    rows: [
      { tensor: 'blk.0.attn_q.weight', sources: [names[3]!], weights: 32, gain: 2 },
      { tensor: 'blk.1.attn_v.weight', sources: [names[9]!], weights: 32 },
      { tensor: 'blk.0.ffn_up_exps.weight', sources: [names[1]!, names[2]!], weights: 64 },
    ],
    formats: [
      {
        ...{ format: 'Q4_K', bitsPerWeight: 4.5, maxErrors: new Float32Array(3) },
        errors: Float32Array.of(0.25, -1, 0.01),
      },
    ],
  } as unknown as Figures;

  it('are errors and gains at the tensors that a row is made of', () => {
    const { values } = errorFigure(table, figures, 'Q4_K');
    expect([values[3], values[9], values[0]]).toEqual([0.5, NaN, NaN]);
    expect(values[1]).toBeCloseTo(0.1, 6);
    expect(values[2]).toBe(values[1]);
    expect(gainFigure(table, figures).values[3]).toBe(2);
    expect(gainFigure(table, figures).values[9]).toBeNaN();
    expect(errorFigure(table, figures, 'Q9').values.every(Number.isNaN)).toBe(true);
  });

  it('are bits of the plan, else those of the files', () => {
    expect(bitsFigure(table, undefined).values[9]).toBe(8);
    const of = names.map((_, index) => (index === 3 ? 0 : -1));
    const plan = { revision: 1, formats: [{ format: 'Q4_K', bits: 4.5 }], of };
    const { values } = bitsFigure(table, plan);
    expect([values[3], values[7]]).toEqual([4.5, 16]);
  });

  it('are combined over the tensors of a cell, without those that are not known', () => {
    const figure = { ...bitsFigure(table, undefined), values: Float64Array.of(1, NaN, 4, 9) };
    expect(combined({ ...figure, combine: 'mean' }, [0, 1, 2])).toBe(2.5);
    expect(combined({ ...figure, combine: 'largest' }, [0, 1, 2])).toBe(4);
    expect(combined(figure, [1])).toBeUndefined();
  });

  it('are found by name, and unknown names are left out', () => {
    expect([...valuesOf(3, ['a', 'x', 'c'], [1, 2, 3], (name) => 'abc'.indexOf(name))]).toEqual([1, NaN, 3]);
  });
});

describe('a colour scale', () => {
  it('places magnitudes by their logarithm, at most six decades of them', () => {
    const { least, most, place, at } = scaleOf({ isLog: true }, [1e-9, 0, 0.01, 1, NaN, Infinity])!;
    expect([least, most]).toEqual([1e-6, 1]);
    expect(place(1e-3)).toBeCloseTo(0.5, 9);
    expect([place(0), place(1e-9), place(1), place(Infinity)]).toEqual([0, 0, 1, 1]);
    expect(at(0.5)).toBeCloseTo(1e-3, 9);
  });

  it('places others between the least and the largest', () => {
    const { place, at } = scaleOf({ isLog: false }, [2, 4, 8])!;
    expect([place(2), place(5), place(8), place(10)]).toEqual([0, 0.5, 1, 1]);
    expect(at(0.5)).toBe(5);
  });

  it('of equal values has one end, and of none there is none', () => {
    expect(scaleOf({ isLog: false }, [3, 3])!.place(3)).toBe(1);
    expect(scaleOf({ isLog: true }, [0, NaN])).toBeUndefined();
  });

  it('has the ends of its colours at 0 and 1', () => {
    expect(heatColor(0, true)).toBe('rgb(33 4 96)');
    expect(heatColor(1, true)).toBe('rgb(255 246 209)');
    expect(heatColor(2, false)).toBe('rgb(30 1 77)');
  });
});

describe('figures of a scan', () => {
  const scan = {
    tensors: 10,
    names: [names[0]!, names[3]!, names[9]!],
    figures: Object.fromEntries(scanFigureNames.map((name, i) => [name, [i, i + 1, NaN]])),
    error: { format: 'Q4_K', relative: [0.5, NaN, 0.25], measured: 3 },
  } as unknown as ModelScan;

  it('are at the tensors that were scanned, in any part of the model', () => {
    const absMax = scannedFigures(table, scan).find(({ id }) => id === 'absMax')!;
    const known = [...absMax.values].flatMap((value, i) => (Number.isNaN(value) ? [] : [[i, value]]));
    expect(known).toEqual([
      [0, 0],
      [3, 1],
    ]);
    const error = scannedFigures(table, scan).find(({ id }) => id === 'error')!;
    expect([error.values[0], error.values[3], error.values[9]]).toEqual([0.5, NaN, 0.25]);
    expect(error.hint).toContain('Q4_K');
  });

  it('have no error where none was asked for', () => {
    const { tensors, names: scanned, figures } = scan;
    const ids = scannedFigures(table, { tensors, names: scanned, figures }).map(({ id }) => id);
    expect(ids).not.toContain('error');
  });
});
