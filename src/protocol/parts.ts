import * as l10n from '@vscode/l10n';
import type { TensorKind, TensorTable } from './tensorTable';
import { placeOf } from './places';
import { partRows, type PartRow, type Row } from './partRows';

/** What a part of a model is for: the first level of all views of the whole model. */
export type Area = 'embedding' | 'mixer' | 'feedForward' | 'experts' | 'norm' | 'output' | 'other';

export const areaLabels: Readonly<Record<Area, string>> = {
  embedding: l10n.t('Embedding'),
  mixer: l10n.t('Attention and states'),
  feedForward: l10n.t('Feed-forward'),
  experts: l10n.t('Experts'),
  norm: l10n.t('Norms'),
  output: l10n.t('Output'),
  other: l10n.t('Other parts'),
};

/** A part of a block that has no tensor names of its own in the table. */
const unknownColumn = 8;

/** What a role of a block is. */
export interface KnownPart {
  readonly id: string;
  readonly label: string;
  readonly row: Row;
  readonly column: number;
  /** Among the parts of a column, from above. */
  readonly order: number;
  readonly area: Area;
}

const known = new Map<string, KnownPart>();

/** @param role of a tensor in its block, without numbers and suffix: "mlp.experts.up_proj". */
export function partOfRole(role: string): KnownPart {
  const found = known.get(role);
  if (found) return found;
  const order = partRows.findIndex(({ pattern }) => pattern.test(role));
  const named = partRows[order];
  const id = named?.id ?? role;
  const made: KnownPart = {
    id,
    label: named?.label ?? role,
    row: named?.row ?? 'mixer',
    column: named?.column ?? unknownColumn,
    order: named ? order : partRows.length,
    area: areaOf(role, named),
  };
  known.set(role, made);
  return made;
}

function areaOf(role: string, named: PartRow | undefined): Area {
  if (/norm|^ln_/i.test(named?.id ?? role)) return 'norm';
  if (!named) return /experts?\./.test(role) ? 'experts' : 'other';
  if (named.row === 'mixer') return 'mixer';
  return /^(expert|router)/.test(named.id) ? 'experts' : 'feedForward';
}

const outside: readonly (readonly [RegExp, Area])[] = [
  [/(^|\.)(lm_head|output|embed_out|score|classifier)$/, 'output'],
  [/norm|(^|\.)ln_f/i, 'norm'],
  [/(embed|embd|wte|wpe|position|token_types)/, 'embedding'],
];

/** The area of a tensor outside of the blocks, by its name without suffix. */
export const areaOutside = (name: string): Area =>
  outside.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';

/** The telling part of a name outside of blocks: "embed_tokens" of "model.embed_tokens". */
export const nameOutside = (role: string): string =>
  role.split('.').findLast((part) => !/^\d*$/.test(part)) ?? role;

/** What the name of a tensor says, whatever its numbers are: shared by all tensors of a pattern. */
export interface PatternPlace {
  /** Which list of blocks it is in: "model.layers"; undefined outside of all. */
  readonly stack: string | undefined;
  /** Its role there, or its name outside. Without numbers, and without ".weight". */
  readonly role: string;
  /** The whole name with * for numbers. */
  readonly glob: string;
  /** Whether it is one of several experts in tensors of their own. */
  readonly isExpert: boolean;
  readonly area: Area;
}

/** A tensor, and what it is. */
export interface PlacedTensor {
  /** In the table of the model. */
  readonly index: number;
  readonly kind: TensorKind;
  readonly place: PatternPlace;
  /** Number of its block; −1 outside of blocks. */
  readonly layer: number;
}

/** What follows the name of a weight: of the weight itself, a bias, a scale. */
export const companion = /\.(bias|scale|weight_scale|input_scale|qweight|qzeros|scales|g_idx|weight)$/;

/** Parts that are not of the language model: a vision tower, an encoder of sounds. */
const otherModel = /(^|\.)(visual|vision\w*|audio\w*|multi_modal_projector|mmproj|image\w*|v\.blk|mm)(\.|$)/;

function placeOfPattern(pieces: readonly string[]): PatternPlace {
  const name = pieces.join('0');
  const { wrapper, numbers, role: named } = placeOf(name);
  const isInside = numbers.length > 0 && named !== '';
  const role = (isInside ? named : name).replace(companion, '');
  const stack = isInside ? wrapper.join('.') : undefined;
  const inside = stack === undefined ? areaOutside(role) : partOfRole(role).area;
  return {
    ...{ stack, role, glob: pieces.join('*'), isExpert: numbers.length > 1 },
    area: otherModel.test(stack ?? name) ? 'other' : inside,
  };
}

/** All tensors with their places; names are looked at once for each pattern. */
export function placedTensors(table: TensorTable): PlacedTensor[] {
  const places = table.patterns.map(placeOfPattern);
  return Array.from({ length: table.count }, (_, index) => {
    const pattern = table.patternOf(index);
    const place = places[pattern]!;
    const isNumbered = place.stack !== undefined && table.patterns[pattern]!.length > 1;
    const layer = isNumbered ? table.numberOf(index, 0) : -1;
    return { index, kind: table.kinds[table.kindOf(index)]!, place, layer };
  });
}
