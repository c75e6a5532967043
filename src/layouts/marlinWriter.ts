import type { QuantizedRows } from '../quant/quantized';
import type { LayoutWriter, StoredTensor, WrittenModel, WrittenWeight } from './layout';
import {
  bytesOf,
  common,
  fieldsOf,
  groupSize,
  hasOutput,
  integerBits,
  isSymmetric,
  partOf,
  refuseGroups,
  scaleBytes,
  statedGroup,
  withRows,
  type WritePart,
} from './writing';
import { said } from '../protocol/said';

/** Codes that are permuted together: four tiles, which hold 64 outputs. */
const block = 1024;
export const outputs = 64;

/** The place of each code of a block: threads of a warp hold the operands of their tensor core instructions. */
const placeOf = inverse(
  Array.from({ length: block }, (_, place) => {
    const [thread, tile, within] = [place >> 5, (place >> 3) & 3, place & 7];
    const value = [0, 2, 4, 6, 1, 3, 5, 7][within]!;
    const row = 2 * (thread & 3) + (value & 1) + (value & 2 ? 8 : 0);
    const column = (thread >> 2) + (value & 4 ? 8 : 0);
    return 256 * tile + 16 * row + column;
  }),
);
const scalePlaces = inverse(Array.from({ length: 64 }, (_, place) => (place >> 3) + 8 * (place & 7)));
const singlePlaces = inverse(
  Array.from({ length: 32 }, (_, place) => 2 * (place >> 3) + [0, 1, 8, 9, 16, 17, 24, 25][place & 7]!),
);

function inverse(order: readonly number[]): Int32Array {
  const places = new Int32Array(order.length);
  order.forEach((value, place) => (places[value] = place));
  return places;
}

/** Where a code is among the fields of its 16 inputs. @param output from a multiple of 64 on. */
export function codePlace(output: number, column: number): number {
  const tile = 256 * ((output % outputs) >> 4) + (output & 15);
  return Math.floor(output / outputs) * block + placeOf[tile + 16 * (column & 15)]!;
}

/** Where the scale of an output is among those of its group. @param output from a multiple of 64 on. */
export function scalePlace(output: number, groups: number): number {
  const [places, together] = groups > 1 ? [scalePlaces, 64] : [singlePlaces, 32];
  return output - (output % together) + places[output % together]!;
}

/** Writes what `marlin.ts` reads. The packed matrix, `[in/16, 2·out]`, is held in memory: half a byte for each weight, with scales. */
export const marlinWriter = (): LayoutWriter => ({
  id: 'marlin',
  label: 'Marlin',
  runtimes: ['vLLM', 'TGI'],
  ...{ holds: true, decodes: { to: 'F16' } },
  refuse,
  parts,
  encode,
  config,
});

function refuse(weight: WrittenWeight): string | undefined {
  const { grid, shape, permuted } = weight;
  if (integerBits(grid) !== 4 || !isSymmetric(grid)) return said`Marlin has signed integers of 4 bits`;
  if (grid.scale !== 'F16') return said`Marlin has scales of the dtype F16`;
  if (permuted) return said`Marlin has groups of consecutive columns`;
  const [out = 0, columns = 0] = shape;
  if (![128, columns].includes(groupSize(weight))) return said`Marlin has groups of 128 weights, or of rows`;
  if (out % 256 !== 0 || columns % 128 !== 0)
    return said`256 must divide its ${out} outputs and 128 its ${columns} inputs`;
  return refuseGroups(weight, 'groups');
}

function parts(weight: WrittenWeight): readonly StoredTensor[] {
  const [out = 0, columns = 0] = weight.shape;
  return [
    partOf(weight, 'B', 'I32', [columns / 16, 2 * out]),
    partOf(weight, 's', 'F16', [columns / groupSize(weight), out]),
  ];
}

async function encode(
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
  write: WritePart,
): Promise<void> {
  const [out = 0, columns = 0] = weight.shape;
  const groups = columns / groupSize(weight);
  const codes = new Uint32Array((columns * out) / 8);
  const scales = new Float32Array(groups * out);
  let first = 0;
  for await (const slab of slabs) {
    const fields = fieldsOf(slab);
    for (let row = 0; row < slab.rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = codePlace(first + row, column);
        codes[(column >> 4) * 2 * out + (place >> 3)]! |=
          fields[row * columns + column]! << (4 * (place & 7));
      }
      const place = scalePlace(first + row, groups);
      for (let group = 0; group < groups; group++)
        scales[group * out + place] = slab.scales[row * groups + group]!;
    }
    first += slab.rows;
  }
  await write(0, bytesOf(codes));
  await write(1, await scaleBytes(scales, 'F16'));
}

const config = (model: WrittenModel): Record<string, unknown> => ({
  bits: 4,
  checkpoint_format: 'marlin',
  desc_act: false,
  group_size: common(withRows(model), 'group size', statedGroup),
  is_marlin_format: true,
  lm_head: hasOutput(model),
  quant_method: 'gptq',
  sym: true,
});
