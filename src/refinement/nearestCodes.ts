import { loadNative } from '../native';
import type { GgmlQuantType } from '../protocol/ggmlTypes';
import { typeGrids } from '../quant/columns/blocks';
import { codeValues, levelCodes } from '../quant/grids/levels';

/** The levels of a type in rising order, and the code of each. */
interface Levels {
  readonly values: readonly number[];
  readonly codes: readonly number[];
  /** Whether they are consecutive integers. */
  readonly isEven: boolean;
}

/** Scales and zeros of the groups of blocks, whose weights are level · scale + zero. */
interface GroupParameters {
  readonly group: number;
  readonly scales: Float32Array;
  readonly zeros?: Float32Array;
}

/** Whether codes of single weights can be chosen in a type. */
export const hasCodes = (type: GgmlQuantType): boolean => typeGrids[type] !== undefined;

async function groupParameters(
  type: GgmlQuantType,
  blocks: Uint8Array,
  weights: number,
): Promise<GroupParameters> {
  const { group, hasMinimum } = typeGrids[type]!;
  const scales = new Float32Array(weights / group);
  const zeros = hasMinimum ? new Float32Array(weights / group) : undefined;
  await loadNative().blockParameters(type, blocks, scales, zeros);
  return { group, scales, ...(zeros ? { zeros } : {}) };
}

/** The mean distance of the weights of neighbouring codes, for each group of blocks. */
export async function codeDistances(
  type: GgmlQuantType,
  blocks: Uint8Array,
  weights: number,
): Promise<{ readonly values: Float32Array; readonly per: number }> {
  const { values } = await levelsOf(type);
  const { scales, group } = await groupParameters(type, blocks, weights);
  const distance = (values.at(-1)! - values[0]!) / (values.length - 1);
  return { values: scales.map((scale) => distance * Math.abs(scale)), per: group };
}

/** Replaces the codes of blocks by those whose weights are nearest to the given ones, with the scales that the blocks have. */
export async function setNearestCodes(
  type: GgmlQuantType,
  blocks: Uint8Array,
  weights: Float32Array,
): Promise<void> {
  const levels = await levelsOf(type);
  const { group, scales, zeros } = await groupParameters(type, blocks, weights.length);
  const codes = new Uint8Array(weights.length);
  for (let g = 0; g < scales.length; g++) {
    const [scale, zero] = [scales[g]!, zeros?.[g] ?? 0];
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = g * group; i < (g + 1) * group; i++)
      codes[i] = levels.codes[nearest(levels, (weights[i]! - zero) * inverse)]!;
  }
  await loadNative().setBlockCodes(type, blocks, codes);
}

function nearest({ values, isEven }: Levels, level: number): number {
  const last = values.length - 1;
  if (isEven) return Math.max(0, Math.min(last, Math.round(level - values[0]!)));
  let i = 0;
  while (i < last && level > (values[i]! + values[i + 1]!) / 2) i += 1;
  return i;
}

const known = new Map<GgmlQuantType, Levels>();

async function levelsOf(type: GgmlQuantType): Promise<Levels> {
  const found = known.get(type) ?? (await makeLevels(type));
  known.set(type, found);
  return found;
}

async function makeLevels(type: GgmlQuantType): Promise<Levels> {
  const { levels } = typeGrids[type]!;
  if (levels.kind === 'table') {
    const values = [...(await iq4Values())];
    return { values, codes: [...values.keys()], isEven: false };
  }
  const table = codeValues(levels);
  const codes = [...levelCodes(levels)].sort((a, b) => table[a]! - table[b]!);
  return { codes, values: codes.map((code) => table[code]!), isEven: levels.kind === 'integer' };
}

/** The uneven levels of IQ4 types, which rise with the codes, as the addon decodes a block with the scale 1 and each code twice. */
async function iq4Values(): Promise<Float32Array> {
  const one = [0x00, 0x3c];
  const block = Uint8Array.from([...one, ...Array.from({ length: 16 }, (_, code) => code * 0x11)]);
  const weights = new Float32Array(32);
  await loadNative().decode('IQ4_NL', block, weights);
  return weights.slice(0, 16);
}
