import { describe, expect, it } from 'vitest';
import type { DocumentKind } from '../../../../src/protocol/documentCheck';
import { choicesFor } from '../../../../src/vscode/planLanguage/choices';
import { completionPlace } from '../../../../src/vscode/planLanguage/completionPlace';

/** The place at the bar of a text: what belongs there, and what would be replaced. */
function at(marked: string, kind: DocumentKind): readonly [string, string] | undefined {
  const offset = marked.indexOf('|');
  const text = marked.replace('|', '');
  const place = completionPlace(text, offset, kind);
  return place && [place.kind, text.slice(place.start, place.end)];
}

describe('the place of a completion', () => {
  it.each([
    ['{"assignments": [{"tensor": "bl|k"}]}', ['tensor', '"blk"']],
    ['{"assignments": [{"tensor": |}]}', ['tensor', '']],
    ['{"assignments": [{"tensor": "|\n "format": "Q4_K"}]}', ['tensor', '"']],
    ['{"assignments": [{"tensor": "a", "format": "Q4|_K"}]}', ['format', '"Q4_K"']],
    ['{"constraints": [{"tensors": "|"}]}', ['pattern', '""']],
    ['{"constraints": [{"tensors": "a", "allow": ["Q4_K", |]}]}', ['format', '']],
    ['{"constraints": [{"exclude": ["Q|"]}]}', ['format', '"Q"']],
    ['{"formats": ["|"]}', ['format', '""']],
    ['{"assignments": [{"tensor": "a", "sources": ["b", "|"]}]}', ['source', '""']],
    ['{"assignments": [{"ten|sor": "a"}]}', undefined],
    ['{"model": {"name": "|"}}', undefined],
    ['{"assignments": [{"tensor": {"tensor": "|"}}]}', undefined],
  ])('of a plan: %s', (marked, expected) => expect(at(marked, 'plan')).toEqual(expected));

  it.each([
    ['{"rules": [{"match": "|"}]}', ['pattern', '""']],
    ['{"rules": [{"grid": "in|t"}]}', ['grid', '"int"']],
    ['{"rules": [{"grid": {"ggml": "|"}}]}', ['ggml', '""']],
    ['{"skip": ["lm|_head"]}', ['module', '"lm_head"']],
    ['{"layout": "|"}', ['layout', '""']],
    ['{"rules": [{"method": {"id": "|"}}]}', ['method', '""']],
    ['{"method": {"id": "g|"}}', ['method', '"g"']],
    ['{"fileType": "|"}', ['fileType', '""']],
    ['{"calibration": {"text": "|"}}', ['text', '""']],
    ['{"label": "|"}', undefined],
  ])('of a recipe: %s', (marked, expected) => expect(at(marked, 'recipe')).toEqual(expected));
});

it('is one of an assignment, whose tensor is told', () => {
  const text = '{"assignments": [{"tensor": "a", "sources": []}, {"tensor": "b.c", "sources": [""]}]}';
  expect(completionPlace(text, text.lastIndexOf('""') + 1, 'plan')).toMatchObject({ tensor: 'b.c' });
  expect(completionPlace('{"assignments": [{"sources": [""]}]}', 31, 'plan')).not.toHaveProperty('tensor');
});

describe('what is offered', () => {
  const known = {
    names: ['blk.0.attn_q.weight', 'blk.1.attn_q.weight', 'output.weight'],
    formats: ['Q4_K', 'nf4'],
    model: { path: '/m', name: 'tiny' },
  };
  const json = (kind: Parameters<typeof choicesFor>[0]): string[] =>
    choicesFor(kind, known).map((choice) => choice.json);

  it('are names, formats with their bits, and modules', () => {
    expect(json('tensor')).toEqual(known.names.map((name) => `"${name}"`));
    expect(json('module')).toContain('"output"');
    const [first, second] = choicesFor('format', known);
    expect(first).toMatchObject({ label: 'Q4_K', json: '"Q4_K"' });
    expect(first!.detail).toMatch(/^4\.50 bits per weight\. \w/);
    expect(second).toEqual({ label: 'nf4', json: '"nf4"' });
  });

  it('are regular expressions that match their tensors, those of all blocks first', () => {
    const patterns = choicesFor('pattern', known).map(({ label }) => new RegExp(label, 'u'));
    const matches = patterns.map((pattern) => known.names.filter((name) => pattern.test(name)));
    expect(matches).toEqual([known.names.slice(0, 2), ...known.names.map((name) => [name])]);
    expect(patterns.some((pattern) => pattern.test('blk.0.attn_qXweight'))).toBe(false);
  });

  it('are the sources of the tensor first, then those of others', () => {
    const own = { ...known, sources: [['q.0'], ['q.1'], ['head', 'tied']] };
    const labels = (tensor?: string): string[] =>
      choicesFor('source', { ...own, tensor }).map(({ label }) => label);
    expect(labels('output.weight')).toEqual(['head', 'tied', 'q.0', 'q.1']);
    expect(labels()).toEqual(['q.0', 'q.1', 'head', 'tied']);
    expect(labels('unknown')).toEqual(labels());
  });

  it('are objects for types of GGUF files in a recipe', () => {
    expect(json('grid')).toEqual(expect.arrayContaining(['"keep"', '"int4-g128"', '{"ggml":"Q4_K"}']));
    expect(json('ggml')).toContain('"Q4_K"');
  });
});
