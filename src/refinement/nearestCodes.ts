import { loadNative, type LevelGroups, type SortedLevels } from '../native';
import type { GgmlQuantType } from '../protocol/ggmlTypes';
import { typeGrids } from '../quant/columns/blocks';
import { codeValues, levelCodes } from '../quant/grids/levels';

/** Whether codes of single weights can be chosen in a type. */
export const hasCodes = (type: GgmlQuantType): boolean => typeGrids[type] !== undefined;

async function groupParameters(
  type: GgmlQuantType,
  blocks: Uint8Array,
  weights: number,
): Promise<LevelGroups> {
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
  const groups = await groupParameters(type, blocks, weights.length);
  await loadNative().setBlockCodes(type, blocks, await loadNative().nearestLevels(levels, groups, weights));
}

const known = new Map<GgmlQuantType, SortedLevels>();

async function levelsOf(type: GgmlQuantType): Promise<SortedLevels> {
  const found = known.get(type) ?? (await makeLevels(type));
  known.set(type, found);
  return found;
}

async function makeLevels(type: GgmlQuantType): Promise<SortedLevels> {
  const { levels } = typeGrids[type]!;
  if (levels.kind === 'table') {
    const values = Float64Array.from(await iq4Values());
    return { values, codes: Uint8Array.from(values.keys()), isEven: false };
  }
  const table = codeValues(levels);
  const codes = Uint8Array.from(levelCodes(levels)).sort((a, b) => table[a]! - table[b]!);
  const values = Float64Array.from(codes, (code) => table[code]!);
  return { codes, values, isEven: levels.kind === 'integer' };
}

/** The uneven levels of IQ4 types, which rise with the codes, as the addon decodes a block with the scale 1 and each code twice. */
async function iq4Values(): Promise<Float32Array> {
  const one = [0x00, 0x3c];
  const block = Uint8Array.from([...one, ...Array.from({ length: 16 }, (_, code) => code * 0x11)]);
  const weights = new Float32Array(32);
  await loadNative().decode('IQ4_NL', block, weights);
  return weights.slice(0, 16);
}
