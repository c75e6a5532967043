import { describe, expect, it } from 'vitest';
import { filtered, parseFilter } from '../../../webview/filter';

const names = [
  'model.embed_tokens.weight',
  'model.layers.0.self_attn.q_proj.weight',
  'model.layers.0.mlp.down_proj.weight',
  'model.layers.1.self_attn.q_proj.weight',
  'model.layers.1.mlp.up_proj.weight',
  'model.layers.10.self_attn.q_proj.weight',
  'model.norm.weight',
];
const tensors = names.map((name) => ({ name, texts: [name.includes('norm') ? 'F32' : 'BF16'] }));

/** The places in `names` of what a filter lets through. */
function found(text: string): number[] {
  const filter = parseFilter(text);
  if (filter.kind === 'error') throw new Error(filter.message);
  return filtered(tensors, filter, (tensor) => tensor).map((tensor) => tensors.indexOf(tensor));
}

describe('the tensor filter', () => {
  it.each([
    ['', [0, 1, 2, 3, 4, 5, 6]],
    ['Q_PROJ', [1, 3, 5]],
    ['f32', [6]],
    ['q_proj layers.0', [1]],
    ['q_proj & !layers.0', [3, 5]],
    ['q_proj !layers.0 !layers.1', [5]],
    ['layers.1', [3, 4]],
    ['1', [3, 4]],
    ['"layers.1"', [3, 4, 5]],
    ['*.mlp.*', [2, 4]],
    ['*mlp', []],
    ['model.layers.?.*', [1, 2, 3, 4]],
    ['bf*', [0, 1, 2, 3, 4, 5]],
    ['/layers\\.\\d\\.mlp/', [2, 4]],
    ['/LAYERS/', []],
    ['/LAYERS\\.10/i', [5]],
    ['!/layers/', [0, 6]],
    ['norm | embed', [0, 6]],
    ['(norm | q_proj) & !bf16', [6]],
    ['!(norm | layers)', [0]],
    ['mlp && down || embed', [0, 2]],
    ['!!norm', [6]],
  ])('%s', (text, expected) => expect(found(text)).toEqual(expected));

  it.each([
    ['/(/', /Invalid regular expression/],
    ['/open', /no closing “\/”/],
    ['(a', /“\(” is not closed/],
    ['a)', /“\)” without a “\(”/],
    ['a &', /ends too early/],
    ['| a', /nothing before “\|”/],
    ['"open', /quotation mark is not closed/],
  ])('says what is wrong with %s', (text, message) => {
    const filter = parseFilter(text);
    expect(filter).toMatchObject({ kind: 'error', message: expect.stringMatching(message) as string });
  });
});
