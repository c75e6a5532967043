import { isRecord } from '../model/json';
import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { decoderOf, withoutZeros } from './decoding';
import { gptqWriter } from './gptqWriter';
import { judgedZeros, type ZeroSample, type ZeroVariant } from './gptqZeros';
import {
  modelDtype,
  quantizationOf,
  storedWeight,
  type QuantizedReader,
  type Found,
  type Layout,
  type ReadPart,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import {
  columnGroups,
  field,
  findWeights,
  groupOf,
  PartReader,
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
export const gptq: Layout = {
  id: 'gptq',
  mark: /^qweight$/,
  find,
  codes,
  decoder: decoderOf(open, 'rounded'),
  writers: [gptqWriter('v1'), gptqWriter('v2')],
};

/** GPTQModel, and Quantscope for it, convert whole words of version 1; other writers store each field by itself. */
function variantOf(settings: Readonly<Record<string, unknown>>): ZeroVariant {
  if (settings['checkpoint_format'] === 'gptq_v2') return 'v2';
  const meta = isRecord(settings['meta']) ? settings['meta'] : {};
  return /^(gptqmodel|quantscope)/.test(String(meta['quantizer'])) ? 'v1-words' : 'v1';
}

const ends = ['qweight', 'qzeros', 'scales', 'g_idx'] as const;

async function find(
  { tensors, config }: StoredContent,
  read: ReadPart,
  signal?: AbortSignal,
): Promise<Found> {
  const settings = quantizationOf(config);
  const stated = variantOf(settings);
  const foundAs = (variant: ZeroVariant): Found =>
    findWeights(tensors, ends, (module, parts) =>
      describe(module, parts, settings, { variant, rounding: modelDtype(config) }),
    );
  const found = foundAs(stated);
  const { variant, warnings } = judgedZeros(await zeroSamples(found, read, signal), stated);
  return { ...(variant === stated ? found : foundAs(variant)), warnings };
}

/** Weights whose zero points are looked at when a model is opened, and bytes of each (whole words of 3 bits). */
const sampledWeights = 8;
const sampledBytes = 192;

async function zeroSamples(
  { weights }: Found,
  read: ReadPart,
  signal: AbortSignal | undefined,
): Promise<ZeroSample[]> {
  const readable = weights.filter(({ weight }) => weight.readable);
  const step = Math.max(1, Math.floor(readable.length / sampledWeights));
  const samples: ZeroSample[] = [];
  for (let i = 0; i < readable.length && samples.length < sampledWeights; i += step) {
    const { stored, shape } = readable[i]!.weight;
    const part = (role: string) => stored!.parts.find((candidate) => candidate.role === role)!;
    const zeros = part('qzeros');
    const bytes = await read(zeros, 0, Math.min(zeros.byteLength, sampledBytes), signal);
    samples.push({
      bits: (32 * part('qweight').shape[0]!) / shape[1]!,
      words: new Uint32Array(bytes.buffer),
    });
  }
  return samples;
}

function describe(
  module: string,
  parts: ModuleParts,
  settings: Readonly<Record<string, unknown>>,
  more: { readonly variant: ZeroVariant; readonly rounding: ReturnType<typeof modelDtype> },
): TensorDescriptor | undefined {
  const [qweight, qzeros, scales, order] = ends.map((end) => parts.get(end));
  if (qweight?.dtype !== 'I32' || qzeros?.dtype !== 'I32' || !scales) return undefined;
  const [words = 0, out = 0] = qweight.shape;
  const [groups = 0, outScales] = scales.shape;
  const bits = [Number(settings['bits']), ...widths].find(
    (width) =>
      widths.includes(width) &&
      qzeros.shape[1] === Math.ceil((out * width) / 32) &&
      isWidth(width, words, order),
  );
  if (bits === undefined || outScales !== out || qzeros.shape[0] !== groups) return undefined;
  const columns = (32 * words) / bits;
  const present = ends.flatMap((end) => (parts.has(end) ? [[end, parts.get(end)!] as const] : []));
  const dtype = `GPTQ${more.variant === 'v2' ? ' v2' : ''} ${bits}-bit`;
  const variant = `${more.variant}/${groupOf(columns, groups, settings['group_size'])}`;
  return storedWeight(gptq.id, { name: `${module}.weight`, dtype, shape: [out, columns] }, present, {
    ...{ variant, rounding: more.rounding },
  });
}

/** Bits of a code, the most frequent first. Modules may differ from what config.json states. */
const widths = [4, 8, 3, 2];

/** Whether words hold whole columns of so many bits: as many as there are groups stated of, where these are stored. */
const isWidth = (bits: number, words: number, order: TensorDescriptor | undefined): boolean =>
  order ? 32 * words === bits * order.elements : (32 * words) % bits === 0;

/** What a weight's descriptor says: how zero points are stored, and the size of groups. */
function variantOfWeight({ stored: { variant = '' } }: StoredDescriptor): [ZeroVariant, number] {
  const [zeros, group] = variant.split('/');
  return [zeros as ZeroVariant, Number(group)];
}

function open(weight: StoredDescriptor, read: ReadPart): QuantizedReader {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const [words, groups] = [parts.part('qweight').shape[0]!, parts.part('scales').shape[0]!];
  const bits = (32 * words) / columns;
  const [variant, group] = variantOfWeight(weight);
  const orderOf = columnGroups(parts, 'g_idx', groups);
  const grid: Grid = {
    levels: { kind: 'integer', bits, signed: false },
    group,
    rule: { kind: 'range', widened: true },
    scale: parts.scaleDtype('scales'),
    zero: 'integer',
  };
  return {
    grid,
    rowStep: 1,
    async read(row, rows, signal) {
      const span = { first: row, count: rows };
      const packed = new Uint32Array((await parts.columns('qweight', [words, out], 4, span, signal)).buffer);
      const groupOfColumn = await orderOf();
      return {
        ...{ grid, rows, columns },
        codes: unpackRows(packed, { perRow: 1, perWord: rows }, bits, [rows, columns]),
        scales: await scaleColumns(parts, 'scales', span, signal),
        zeros: await zeroPoints(parts, bits, variant, span, signal),
        ...(groupOfColumn ? { groupOfColumn } : {}),
      };
    },
  };
}

/** Zero points of some rows, which are packed along out. @returns `[rows, groups]`. */
async function zeroPoints(
  parts: PartReader,
  bits: number,
  variant: ZeroVariant,
  { first: row, count: rows }: { readonly first: number; readonly count: number },
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const [groups = 0, words = 0] = parts.part('qzeros').shape;
  const mask = 2 ** bits - 1;
  const perWord = variant === 'v1-words' && 32 % bits === 0 ? (2 ** 32 - 1) / mask : 0;
  const perField = variant === 'v2' || perWord > 0 ? 0 : 1;
  const first = Math.floor((row * bits) / 32);
  const count = Math.ceil(((row + rows) * bits) / 32) - first;
  const bytes = await parts.columns('qzeros', [groups, words], 4, { first, count }, signal);
  const stored = new Uint32Array(bytes.buffer).map((word) => word + perWord);
  const zeros = new Float32Array(rows * groups);
  for (let group = 0; group < groups; group++)
    for (let i = 0; i < rows; i++) {
      const at = (word: number): number => group * count + word - first;
      zeros[i * groups + group] = (field(stored, at, bits, row + i) + perField) & mask;
    }
  return zeros;
}

/** Rows of zero points that are looked at together. */
const zeroRows = 4096;

async function codes(
  weight: StoredDescriptor,
  read: ReadPart,
  signal?: AbortSignal,
): Promise<QuantizedReader> {
  const reader = open(weight, read);
  const parts = new PartReader(weight, read);
  const out = weight.shape[0]!;
  const [variant] = variantOfWeight(weight);
  const bits = (reader.grid.levels as { readonly bits: number }).bits;
  for (let first = 0; first < out; first += zeroRows) {
    const span = { first, count: Math.min(zeroRows, out - first) };
    const zeros = await zeroPoints(parts, bits, variant, span, signal);
    if (zeros.some((zero) => zero !== 2 ** (bits - 1))) return reader;
  }
  return withoutZeros(reader);
}
