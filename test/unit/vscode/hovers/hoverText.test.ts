import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NamedTensor, NameMatch } from '../../../../src/protocol/names';
import type { PlanAssignment, SensitivityCell, SensitivityRow } from '../../../../src/protocol/plan';
import { parsePlan } from '../../../../src/ampq/planFile';
import { parseJson } from '../../../../src/model/json';
import { groupText, tensorText, type TensorMatch } from '../../../../src/vscode/hovers/hoverText';
import { engineJobs } from '../../../support/engineJobs';
import { hasSharedData, sharedData, temporaryFolder } from '../../../support/files';

function found(change: Partial<NamedTensor> = {}, model = 'tiny'): TensorMatch {
  const tensor = {
    ...{ name: 'a.weight', dtype: 'BF16', shape: [4, 8], elements: 32, byteLength: 64, role: 'other' },
    ...change,
  };
  const { elements, byteLength } = tensor;
  return {
    model: { path: `/m/${model}.gguf`, name: model },
    ...{ tensor, tensors: 1, elements, byteLength, layers: 0, rows: [tensor.name] },
  };
}

const cell = (format: string, bytes: number, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes, bitsPerWeight: bytes / 4, relativeSquaredError, maxError: 1, device: 'cpu' },
  sqnr: -10 * Math.log10(relativeSquaredError),
});

const row = {
  lossless: { format: 'BF16', bytes: 64 },
  cells: [cell('Q3_K', 14, 0.09), cell('Q4_0', 18, 0.05), cell('Q4_K', 18, 0.04), cell('Q8_0', 34, 0.0004)],
} as unknown as SensitivityRow;

const assignment: PlanAssignment = {
  ...{ tensor: 'a.weight', sources: ['a.weight'], format: 'Q4_K', bitsPerWeight: 4.5, bytes: 18 },
};

const paragraphs = (...[match, suggestion, others]: readonly unknown[]): string[] =>
  tensorText(match as TensorMatch, { suggestion: suggestion as never }, (others ?? []) as NameMatch[]).split(
    / {2}\n|\n\n/,
  );

describe('the hover of a tensor', () => {
  it('names model, dtype, shape, size, role and the name in the other scheme', () => {
    expect(
      paragraphs(found({ role: 'ffn_down', layer: 3, alias: 'blk.3.ffn_down.weight' }), { row }),
    ).toEqual(
      expect.arrayContaining([
        '**a.weight** in tiny',
        'BF16 · \\[4, 8\\] · 32 weights · 64 B · 16.00 bits per weight',
        'Feed-forward down, layer 3 · also named blk.3.ffn_down.weight',
      ]),
    );
    expect(paragraphs(found(), {})[2]).toBe('No format is chosen for it: it keeps its precision.');
  });

  it('omits what is not known, and says why a tensor cannot be read', () => {
    const unreadable = {
      dtype: '?',
      shape: [],
      elements: 0,
      byteLength: 0,
      unreadableReason: 'x.bin is missing',
    };
    expect(paragraphs(found(unreadable), {})[1]).toBe('? · x.bin is missing');
  });

  it('has the suggestion, what it saves, what it rests on, and errors there and one step up and down', () => {
    const suggestion = {
      row,
      assignment,
      plannedBy: 'rung 3',
      evidence: 'rung 0: *',
      differences: ['no gains'],
    };
    const [, , suggested, table, basis] = paragraphs(found(), suggestion);
    expect(suggested).toBe('Suggested: **Q4_K**, 4.50 bits per weight · 18 B, saves 46 B (72 %)');
    expect(table!.split('\n')).toEqual([
      '|  | format | bits | size | relative error | SQNR dB |',
      '| :-- | :-- | --: | --: | --: | --: |',
      '| one step up | Q8_0 | 8.50 | 34 B | 0.0200 | 34.0 |',
      '| suggested | **Q4_K** | 4.50 | 18 B | 0.200 | 14.0 |',
      '| one step down | Q3_K | 3.50 | 14 B | 0.300 | 10.5 |',
    ]);
    expect(basis).toBe(
      'By a plan of rung 3 · measured otherwise than the figures: no gains · Evidence: rung 0: \\*',
    );
  });

  it('has all formats where none is suggested, and figures that are not defined as such', () => {
    const cells = [cell('Q8_0', 34, NaN), cell('F16', 64, 0)];
    const table = paragraphs(found(), { row: { ...row, cells } })[2]!.split('\n');
    expect(table.slice(2)).toEqual([
      '|  | Q8_0 | 8.50 | 34 B | not defined | not defined |',
      '|  | F16 | 16.00 | 64 B | 0.00 | ∞ |',
    ]);
  });

  it('has divergences where gains are known, those below the noise as such', () => {
    const table = paragraphs(found(), { row: { ...row, gain: 0.5 }, noise: 0.001, assignment })[3]!;
    expect(
      table
        .split('\n')
        .slice(2)
        .map((line) => line.split(' | ').at(-1)),
    ).toEqual(['\\< noise |', '0.020 |', '0.045 |']);
  });

  it('says of an estimate that nothing was measured, and of merged tensors what they become', () => {
    const merged = { ...assignment, tensor: 'blk.0.ffn_down_exps.weight', sources: ['a.weight', 'b.weight'] };
    const parts = paragraphs(found(), { row, assignment: merged, isEstimate: true });
    expect(parts[2]).toContain('one of 2 that are written as blk.0.ffn_down_exps.weight');
    expect(parts[4]).toMatch(/^Estimate from the header.*: nothing was measured yet\.$/);
  });

  it('lists the other models that have such a name', () => {
    const others = Array.from({ length: 7 }, (_, i) => found({ shape: [2, i] }, `m${i}`));
    expect(paragraphs(found(), {}, others).at(-1)).toBe(
      'Also in: m0 (BF16 \\[2, 0\\]), m1 (BF16 \\[2, 1\\]), m2 (BF16 \\[2, 2\\]), m3 (BF16 \\[2, 3\\]), m4 (BF16 \\[2, 4\\]) and 2 more',
    );
  });

  it('names what is in the way of a suggestion', () => {
    const text = tensorText(found(), { problem: 'no [file]' }, []);
    expect(text.split('  \n')[2]).toBe('No suggestion: no \\[file\\]');
  });
});

describe('the hover of a module or a pattern', () => {
  const { model, rows } = found();
  const match: NameMatch = { model, rows, tensors: 12, elements: 3200, byteLength: 6400, layers: 4 };
  const suggestion = {
    ...{ tensors: 8, lossless: 6400, bytes: 1600, bitsPerWeight: 4.7, plannedBy: 'rung 3' },
    formats: [
      { format: 'Q3_K', bitsPerWeight: 3.4375, tensors: 2 },
      { format: 'Q6_K', bitsPerWeight: 6.5625, tensors: 6 },
    ],
    errors: { least: 0.02, most: 0.1 },
  };

  it('says how many tensors it meets, their bytes, and the range of suggestions', () => {
    expect(groupText('.*mlp.*', match, { suggestion }, []).split(/ {2}\n|\n\n/)).toEqual([
      '**.\\*mlp.\\*** in tiny',
      '12 tensors · in 4 layers · 3,200 weights · 6.40 kB',
      'Suggested for 8 tensors: **Q3_K** × 2, **Q6_K** × 6 · 3.44 to 6.56 bits per weight, 4.70 on average · 1.60 kB, saves 4.80 kB (75 %) · relative error 0.0200 to 0.100',
      'By a plan of rung 3',
    ]);
  });

  it('says where no format is chosen', () => {
    const text = groupText('norms', { ...match, layers: 1 }, { suggestion: undefined }, []);
    expect(text.split('  \n').slice(1)).toEqual([
      '12 tensors · 3,200 weights · 6.40 kB',
      'No format is chosen for them: they keep their precision.',
    ]);
  });
});

describe.skipIf(!hasSharedData)('files that carry Markdown', () => {
  const folder = join(sharedData, 'cases', 'hostile', 'hover-injection');
  const { request } = engineJobs(temporaryFolder());

  it('are shown as text: no link and no picture is left', async () => {
    const paths = [join(folder, 'evil.safetensors')];
    const query = { text: 'model.evil.weight', syntax: 'name' } as const;
    const matches = await request('names/lookup', { paths, query });
    expect(matches).toHaveLength(1);
    const text = tensorText(matches[0] as TensorMatch, { suggestion: {} }, matches);
    expect(text).not.toMatch(/(?<!\\)[[\]!<>`]/);
    const group = groupText('[x](command:y) <img>', matches[0]!, { suggestion: undefined }, []);
    expect(group).not.toMatch(/(?<!\\)[[\]!<>`]/);
  });

  it('are not plans if their formats do not exist', () => {
    expect(() => parsePlan(parseJson('{"version": 2}'), 'evil.ampq.json')).toThrow(/evil\.ampq\.json/);
  });
});
