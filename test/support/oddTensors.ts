import { formatById } from '../../src/quant/catalogue';
import { safetensorsBytes } from './files';
import { GgufBytes } from './ggufBytes';
import { Random } from './random';
import { encodeIn } from '../../src/quant/codec';

/** A name longer than any column. */
export const longName = `model.${'an_unusually_deep_module.'.repeat(8)}with_a_name_that_ends.weight`;

/** Rows and columns of `planted.weight` that stand out, a dead one of each, and a single large weight. */
export const planted = { row: 37, column: 100, deadRow: 200, deadColumn: 9, spike: [451, 58] } as const;

/** Tensors at the limits of what a page can show, as a safetensors file. */
export function oddTensors(): Buffer {
  const random = new Random(7);
  const tensors: readonly (readonly [string, readonly number[], Float32Array])[] = [
    ['planted.weight', [512, 1024], plantedWeights(random)],
    ['scalar', [], Float32Array.of(0.5)],
    ['vector.bias', [300], random.fill(300, () => random.normal())],
    ['constant.weight', [16, 32], new Float32Array(512).fill(0.25)],
    ['nan.weight', [8, 16], new Float32Array(128).fill(NaN)],
    ['empty.weight', [0, 16], new Float32Array()],
    ['experts.weight', [4, 3, 8], random.fill(96, () => random.normal())],
    ['flat.weight', [1, 1_000_000], random.fill(1_000_000, () => random.normal())],
    ['tall.weight', [1_000_000, 1], random.fill(1_000_000, () => random.normal())],
    [longName, [4, 4], random.fill(16, () => random.normal())],
  ];
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape, { byteLength }] of tensors)
    header[name] = { dtype: 'F32', shape, data_offsets: [at, (at += byteLength)] };
  const data = tensors.map(([, , values]) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return Buffer.concat([safetensorsBytes(header, 0), ...data]);
}

function plantedWeights(random: Random): Float32Array {
  const [rows, columns] = [512, 1024];
  const values = random.fill(rows * columns, () => 0.02 * random.normal());
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (row === planted.row || column === planted.column) values[row * columns + column]! *= 8;
      if (row === planted.deadRow || column === planted.deadColumn) values[row * columns + column] = 0;
    }
  }
  values[planted.spike[0] * columns + planted.spike[1]] = -0.75;
  return values;
}

/** A GGUF file with one tensor in Q4_K, `blk.0.ffn_up.weight` [64, 1024], whose rows grow in magnitude. */
export async function quantizedTensor(): Promise<Buffer> {
  const [rows, columns] = [64, 1024];
  const random = new Random(5);
  const values = random.fill(rows * columns, () => 0.02 * random.normal());
  for (let i = 0; i < values.length; i++) values[i]! *= 1 + Math.floor(i / columns) / 16;
  const { codes } = await encodeIn(formatById('Q4_K'), values, columns, { min: NaN, max: NaN });
  const header = new GgufBytes().start(3, 1, 0).tensor('blk.0.ffn_up.weight', [columns, rows], 12, 0).data(0);
  return Buffer.concat([header, Buffer.from(codes)]);
}
