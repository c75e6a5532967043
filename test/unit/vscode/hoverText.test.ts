import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FoundTensor } from '../../../src/protocol/model';
import type { SensitivityRow } from '../../../src/protocol/plan';
import { hoverText, lookupOrder } from '../../../src/vscode/hoverText';
import { parsePlan } from '../../../src/ampq/planFile';
import { parseJson } from '../../../src/model/json';
import { engineJobs } from '../../support/engineJobs';
import { hasSharedData, sharedData, temporaryFolder } from '../../support/files';

const found = (change: Partial<FoundTensor['tensor']> = {}, name = 'tiny'): FoundTensor => ({
  model: { path: `/m/${name}.gguf`, name },
  tensor: { name: 'a.weight', dtype: 'BF16', shape: [4, 8], elements: 32, byteLength: 64, ...change },
});

describe('the text of a hover', () => {
  it('names model, dtype, shape and size', () => {
    expect(hoverText(found(), {}, []).split('\n')).toEqual([
      '**a.weight** in tiny',
      '',
      'BF16 · \\[4, 8\\] · 32 weights · 16.00 bits per weight',
      '',
      'No suggestion yet: run the sensitivity analysis of the model.',
    ]);
  });

  it('omits what is not known', () => {
    const text = hoverText(found({ dtype: 'type 138', shape: [], elements: 0, byteLength: 0 }), {}, []);
    expect(text.split('\n')[2]).toBe('type 138');
  });

  it('lists the other models that have a tensor of that name', () => {
    const others = Array.from({ length: 7 }, (_, i) => found({ shape: [2, i] }, `m${i}`));
    const [last] = hoverText(found(), {}, others).split('\n').slice(-1);
    expect(last).toBe(
      'Also in: m0 (BF16 \\[2, 0\\]), m1 (BF16 \\[2, 1\\]), m2 (BF16 \\[2, 2\\]), m3 (BF16 \\[2, 3\\]), m4 (BF16 \\[2, 4\\]) and 2 more',
    );
  });

  it('shows errors with what they are predicted to cause, and figures that are not defined as such', () => {
    const cell = { bytes: 1, bitsPerWeight: 4.5, maxError: 1, device: 'cpu' } as const;
    const row = {
      gain: 0.5,
      cells: [
        { ...cell, format: 'Q4_K', relativeSquaredError: 0.04, sqnr: 13.98 },
        { ...cell, format: 'F16', relativeSquaredError: 0, sqnr: Infinity },
        { ...cell, format: 'Q8_0', relativeSquaredError: NaN, sqnr: NaN },
      ],
    } as unknown as SensitivityRow;
    expect(hoverText(found(), { row }, []).split('\n').slice(-5)).toEqual([
      '| format | bits | relative error | SQNR dB | KL divergence |',
      '| :-- | --: | --: | --: | --: |',
      '| Q4_K | 4.50 | 0.200 | 14.0 | 0.020 |',
      '| F16 | 4.50 | 0.00 | ∞ | 0.0 |',
      '| Q8_0 | 4.50 | not defined | not defined | not defined |',
    ]);
    expect(hoverText(found(), { row, evidence: 'rung 0 of 4, weights: *' }, []).split('\n').at(-1)).toBe(
      'Evidence: rung 0 of 4, weights: \\*',
    );
    expect(hoverText(found(), { row, noise: 0.03 }, []).split('\n').slice(-3)).toEqual([
      '| Q4_K | 4.50 | 0.200 | 14.0 | \\< noise |',
      '| F16 | 4.50 | 0.00 | ∞ | \\< noise |',
      '| Q8_0 | 4.50 | not defined | not defined | not defined |',
    ]);
  });
});

describe('the suggestion of a hover', () => {
  const assignment = {
    ...{ tensor: 'a.weight', sources: ['a.weight'], format: 'Q4_K', bitsPerWeight: 4.5, bytes: 18 },
  };
  const suggestedBy = (suggestion: Parameters<typeof hoverText>[1]) =>
    hoverText(found(), suggestion, []).split('\n')[4];

  it('says what its plan rests on, and how the plan was measured otherwise than the figures', () => {
    expect(suggestedBy({ assignment, plannedBy: 'rung 4 of 4' })).toBe(
      'Suggested: **Q4_K**, 4.50 bits per weight (by a plan of rung 4 of 4)',
    );
    expect(suggestedBy({ assignment, plannedBy: 'rung 3', differences: ['no gains, now gains'] })).toBe(
      'Suggested: **Q4_K**, 4.50 bits per weight (by a plan of rung 3, measured otherwise than the figures below: no gains, now gains)',
    );
  });

  it('names what is in its way', () => {
    expect(suggestedBy({ problem: 'no [file]' })).toBe('No suggestion: no \\[file\\]');
  });
});

describe.skipIf(!hasSharedData)('files that carry Markdown', () => {
  const folder = join(sharedData, 'cases', 'hostile', 'hover-injection');
  const { request } = engineJobs(temporaryFolder());

  it('are shown as text: no link and no picture is left', async () => {
    const paths = [join(folder, 'evil.safetensors')];
    const tensors = await request('tensor/find', { paths, names: ['model.evil.weight'] });
    expect(tensors).toHaveLength(1);
    const text = hoverText(tensors[0]!, {}, tensors);
    expect(text).not.toMatch(/(?<!\\)[[\]!<>`]/);
  });

  it('are not plans if their formats do not exist', () => {
    expect(() => parsePlan(parseJson('{"version": 2}'), 'evil.ampq.json')).toThrow(/evil\.ampq\.json/);
  });
});

describe('the order of the models that a name is looked up in', () => {
  const model = (folder: string) => ({ file: `${folder}/model.safetensors.index.json`, folder });

  it('begins with the model in use, then other open ones, then those of the folder; each once', () => {
    const open = ['/b/model.safetensors.index.json', '/x/y.gguf'];
    expect(lookupOrder(open, [model('/a'), model('/b'), model('/c')], '/c')).toEqual([
      ...open,
      '/c/model.safetensors.index.json',
      '/a/model.safetensors.index.json',
    ]);
  });
});
