import { isRecord } from '../model/json';
import type { TensorDescriptor } from '../protocol/model';
import {
  modelDtype,
  quantizationOf,
  storedWeight,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import {
  columnGroups,
  field,
  findWeights,
  groupedRows,
  integerLevels,
  PartReader,
  rounded,
  scaleColumns,
  type ModuleParts,
  unpackRows,
} from './parts';

/**
 * GPTQ as AutoGPTQ and GPTQModel write it: `qweight` I32 [in·b/32, out], a dense stream of b bits along in; `qzeros` I32 [groups, out·b/32],
 * the same along out; `scales` [groups, out]; `g_idx` I32 [in], the group of each column. Version 1 stores (zero − 1) mod 2^b, version 2 the
 * zero point. w = (code − zero) · scale.
 * @see https://arxiv.org/abs/2210.17323
 */
export const gptq: Layout = { id: 'gptq', find, decoder };

/** How zero points are stored: as they are; minus 1 field by field; or minus 1 in all fields of a word at once, where 0 borrows from the next. */
type Variant = 'v2' | 'v1' | 'v1-words';

/** GPTQModel converts whole words when it saves and loads version 1; other writers store each field by itself. */
function variantOf(settings: Readonly<Record<string, unknown>>): Variant {
  if (settings['checkpoint_format'] === 'gptq_v2') return 'v2';
  const meta = isRecord(settings['meta']) ? settings['meta'] : {};
  return String(meta['quantizer']).startsWith('gptqmodel') ? 'v1-words' : 'v1';
}

const ends = ['qweight', 'qzeros', 'scales', 'g_idx'] as const;

function find({ tensors, config }: StoredContent): Found {
  const settings = quantizationOf(config);
  const variant = variantOf(settings);
  return findWeights(tensors, ends, (module, parts) =>
    describe(module, parts, settings['bits'], { variant, rounding: modelDtype(config) }),
  );
}

function describe(
  module: string,
  parts: ModuleParts,
  statedBits: unknown,
  more: { readonly variant: Variant; readonly rounding: ReturnType<typeof modelDtype> },
): TensorDescriptor | undefined {
  const [qweight, qzeros, scales, order] = ends.map((end) => parts.get(end));
  if (qweight?.dtype !== 'I32' || qzeros?.dtype !== 'I32' || !scales) return undefined;
  const [words = 0, out = 0] = qweight.shape;
  const [groups = 0, outScales] = scales.shape;
  const bits = order ? (32 * words) / order.elements : Number(statedBits);
  const columns = (32 * words) / bits;
  const fits =
    [2, 3, 4, 8].includes(bits) &&
    Number.isInteger(columns) &&
    outScales === out &&
    qzeros.shape[0] === groups &&
    qzeros.shape[1] === Math.ceil((out * bits) / 32);
  if (!fits) return undefined;
  const present = ends.flatMap((end) => (parts.has(end) ? [[end, parts.get(end)!] as const] : []));
  const dtype = `GPTQ${more.variant === 'v2' ? ' v2' : ''} ${bits}-bit`;
  return storedWeight(gptq.id, { name: `${module}.weight`, dtype, shape: [out, columns] }, present, more);
}

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const [words, groups] = [parts.part('qweight').shape[0]!, parts.part('scales').shape[0]!];
  const zeroWords = parts.part('qzeros').shape[1]!;
  const bits = (32 * words) / columns;
  const { variant } = weight.stored;
  const mask = 2 ** bits - 1;
  const perWord = variant === 'v1-words' && 32 % bits === 0 ? (2 ** 32 - 1) / mask : 0;
  const perField = variant === 'v2' || perWord > 0 ? 0 : 1;
  const { rounding } = weight.stored;
  let order: Promise<Int32Array> | undefined;
  return groupedRows(columns, {
    levels: integerLevels(0, mask),
    async read({ row, rows }, target, signal) {
      const span = { first: row, count: rows };
      const codes = new Uint32Array((await parts.columns('qweight', [words, out], 4, span, signal)).buffer);
      unpackRows(codes, { perRow: 1, perWord: rows }, bits, columns, target);
      const scales = await scaleColumns(parts, 'scales', span, signal);
      if (rounding) await rounded(scales, rounding, signal);
      const firstWord = Math.floor((row * bits) / 32);
      const wordSpan = { first: firstWord, count: Math.ceil(((row + rows) * bits) / 32) - firstWord };
      const stored = new Uint32Array(
        (await parts.columns('qzeros', [groups, zeroWords], 4, wordSpan, signal)).buffer,
      ).map((word) => word + perWord);
      const zeros = new Float32Array(rows * groups);
      for (let group = 0; group < groups; group++)
        for (let i = 0; i < rows; i++) {
          const at = (word: number): number => group * wordSpan.count + word - firstWord;
          zeros[i * groups + group] = (field(stored, at, bits, row + i) + perField) & mask;
        }
      if (parts.has('g_idx')) order ??= columnGroups(parts, 'g_idx', groups);
      const ofColumn = await order;
      return { count: groups, scales, zeros, ...(ofColumn ? { ofColumn } : {}) };
    },
  });
}
