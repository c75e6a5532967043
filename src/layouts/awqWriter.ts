import type { QuantizedRows } from '../quant/quantized';
import type { LayoutWriter, StoredTensor, WrittenModel, WrittenWeight } from './layout';
import {
  bytesOf,
  common,
  fieldsOf,
  groupSize,
  integerBits,
  isSymmetric,
  keptModules,
  moduleOf,
  outputModule,
  partOf,
  refuseGroups,
  scaleBytes,
  statedGroup,
  withRows,
  transposeInto,
  zeroFields,
  type WritePart,
} from './writing';
import { said } from '../protocol/said';

/** Where the code of output 0 to 7 is in its word, in bits: nibbles hold the outputs 0, 2, 4, 6, 1, 3, 5, 7. */
export const awqShifts = [0, 16, 4, 20, 8, 24, 12, 28];

/** Writes what `awq.ts` reads. The packed matrix, `[in, out]`, is held in memory: half a byte for each weight, with scales and zero points. */
export const awqWriter = (): LayoutWriter => ({
  id: 'awq',
  label: 'AWQ GEMM',
  runtimes: ['transformers', 'vLLM', 'SGLang', 'TGI'],
  plainDtype: 'F16',
  ...{ holds: true, decodes: { to: 'F16' } },
  refuse,
  parts,
  encode,
  config,
});

function refuse(weight: WrittenWeight): string | undefined {
  const { grid, shape, permuted } = weight;
  if (integerBits(grid) !== 4) return said`AWQ has integers of 4 bits`;
  if (grid.zero !== 'integer' && !isSymmetric(grid))
    return said`AWQ has integer zero points, or signed codes without`;
  if (grid.scale !== 'F16') return said`AWQ has scales of the dtype F16`;
  if (permuted) return said`AWQ has groups of consecutive columns`;
  if (moduleOf(weight) === outputModule) return said`runtimes of AWQ do not decode the output matrix`;
  if (shape[0]! % 8 !== 0) return said`8 must divide its ${shape[0]!} outputs`;
  return refuseGroups(weight, 'groups');
}

function parts(weight: WrittenWeight): readonly StoredTensor[] {
  const [out = 0, columns = 0] = weight.shape;
  const groups = columns / groupSize(weight);
  return [
    partOf(weight, 'qweight', 'I32', [columns, out / 8]),
    partOf(weight, 'qzeros', 'I32', [groups, out / 8]),
    partOf(weight, 'scales', 'F16', [groups, out]),
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
  const zeros = new Uint32Array((groups * out) / 8);
  const scales = new Float32Array(groups * out);
  let row = 0;
  for await (const slab of slabs) {
    packOutputs(fieldsOf(slab), columns, { words: codes, out, first: row });
    packOutputs(zeroFields(slab), groups, { words: zeros, out, first: row });
    transposeInto(scales, out, slab.scales, slab.rows, row);
    row += slab.rows;
  }
  await write(0, bytesOf(codes));
  await write(1, bytesOf(zeros));
  await write(2, await scaleBytes(scales, 'F16'));
}

/** Adds rows of fields to words that hold eight outputs each. @param fields `[rows, lines]`. @param words `[lines, out / 8]`. */
function packOutputs(
  fields: Uint8Array,
  lines: number,
  { words, out, first }: { readonly words: Uint32Array; readonly out: number; readonly first: number },
): void {
  for (let at = 0, output = first; at < fields.length; at += lines, output++)
    for (let line = 0; line < lines; line++)
      words[line * (out / 8) + (output >> 3)]! |= fields[at + line]! << awqShifts[output & 7]!;
}

const config = (model: WrittenModel): Record<string, unknown> => ({
  quant_method: 'awq',
  zero_point: true,
  group_size: common(withRows(model), 'group size', statedGroup),
  bits: 4,
  version: 'gemm',
  modules_to_not_convert: keptModules(model),
});
