import {
  areaLabels,
  companion,
  nameOutside,
  partOfRole,
  type Area,
  type PatternPlace,
  type PlacedTensor,
} from './parts';
import type { TensorKind } from './tensorTable';

/** The tensors of one role in one dtype. */
export interface RoleShare {
  readonly area: Area;
  /** As the diagram of a block names it, or the name outside of blocks. */
  readonly label: string;
  /** What a filter of the tree finds it by. */
  readonly filter: string;
  readonly dtype: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

export type Measure = 'bytes' | 'parameters';

/** An area with the roles in it, the largest first. */
export interface AreaShare {
  readonly area: Area;
  readonly label: string;
  readonly bytes: number;
  readonly parameters: number;
  readonly roles: readonly RoleShare[];
}

/** Where the bytes, or the weights, are. Areas and roles without any are left out. */
export function bytesByRole(placed: readonly PlacedTensor[], measure: Measure): AreaShare[] {
  const roles = new Map<string, { -readonly [K in keyof RoleShare]: RoleShare[K] }>();
  for (const [place, kinds] of countKinds(placed)) {
    const { area } = place;
    const label = labelOf(place);
    for (const [{ dtype, elements, byteLength }, tensors] of kinds) {
      const key = `${area}\n${label}\n${dtype}`;
      const share = roles.get(key) ?? {
        ...{ area, label, filter: filterOf(place), dtype, tensors: 0, parameters: 0, bytes: 0 },
      };
      roles.set(key, share);
      share.tensors += tensors;
      share.parameters += tensors * elements;
      share.bytes += tensors * byteLength;
    }
  }
  const areas = new Map<Area, RoleShare[]>();
  for (const share of roles.values()) {
    if (share[measure] > 0) areas.set(share.area, [...(areas.get(share.area) ?? []), share]);
  }
  const sum = (shares: readonly RoleShare[], of: Measure): number =>
    shares.reduce((total, share) => total + share[of], 0);
  return [...areas]
    .map(([area, shares]) => ({
      ...{
        area,
        label: areaLabels[area],
        bytes: sum(shares, 'bytes'),
        parameters: sum(shares, 'parameters'),
      },
      roles: shares.sort((a, b) => b[measure] - a[measure]),
    }))
    .sort((a, b) => b[measure] - a[measure]);
}

/** How many tensors of each place have which kind: few, however many tensors there are. */
function countKinds(placed: readonly PlacedTensor[]): Map<PatternPlace, Map<TensorKind, number>> {
  const counts = new Map<PatternPlace, Map<TensorKind, number>>();
  for (const { place, kind } of placed) {
    const kinds = counts.get(place) ?? new Map<TensorKind, number>();
    counts.set(place, kinds);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** Norms are one; other models in the file go by their stack. */
function labelOf({ area, role, stack }: PatternPlace): string {
  if (area === 'norm') return 'norms';
  if (area === 'other') return (stack ?? role).split('.').slice(0, 2).join('.');
  return stack === undefined ? nameOutside(role) : partOfRole(role).label;
}

/** A filter that finds the tensors of the role in all blocks. */
function filterOf({ area, role, stack, glob }: PatternPlace): string {
  if (area === 'norm') return 'norm';
  if (area === 'other') return quoted((stack ?? role).split('.')[0]!);
  const own = glob.replace(companion, '.*');
  return /^[\w.*-]+$/.test(own) ? own : quoted(role);
}

const quoted = (text: string): string => `"${text.replaceAll('"', '')}"`;
