import type { Danger } from '../../protocol/model';

/** What a pickle holds, as far as it is read: plain data, tensors, and stand-ins for everything that only Python could make. */
export type PickleValue = null | boolean | number | bigint | string | Uint8Array | PickleObject;

export type PickleObject =
  Sequence | Dictionary | KnownGlobal | TorchDtype | StorageType | Storage | PickledTensor | Foreign;

export interface Sequence {
  readonly kind: 'list' | 'tuple' | 'set';
  readonly items: PickleValue[];
}

export interface Dictionary {
  readonly kind: 'dict';
  /** The last value of each key, in the order in which the keys were first set. */
  readonly entries: Map<PickleValue, PickleValue>;
}

/** A class or function that this reader knows, and does itself what it would do. */
export interface KnownGlobal {
  readonly kind: 'global';
  readonly name: string;
}

export interface TorchDtype {
  readonly kind: 'dtype';
  /** PyTorch's name ("bfloat16"). */
  readonly name: string;
  /** Name in safetensors, or one that is not known there. */
  readonly dtype: string;
  /** Bytes of an element. */
  readonly bytes: number;
}

/** The class of a storage; without a dtype it counts bytes. */
export interface StorageType {
  readonly kind: 'storage type';
  readonly dtype?: TorchDtype;
  /** Why its elements cannot be decoded. */
  readonly problem?: string;
}

/** A range of data outside the pickle. */
export interface Storage {
  readonly kind: 'storage';
  readonly type: StorageType;
  readonly key: string;
  /** Elements of the type, or bytes. */
  readonly elements: number;
  /** First element of it that this storage is a view of; only in the older file format. */
  readonly start: number;
}

/** Bytes of all of a storage. */
export const storageBytes = ({ type, elements }: Storage): number => elements * (type.dtype?.bytes ?? 1);

export interface PickledTensor {
  readonly kind: 'tensor';
  /** Name in safetensors. */
  readonly dtype: string;
  /** Bytes of an element. */
  readonly bytes: number;
  readonly shape: readonly number[];
  /** Where its elements are; absent where they are not in one storage. */
  readonly view?: TensorView;
  /** Why it cannot be decoded. */
  readonly problem?: string;
}

export interface TensorView {
  readonly storage: Storage;
  /** Elements. */
  readonly offset: number;
  /** Elements, one for each dimension. */
  readonly strides: readonly number[];
}

/** What a class or function would have made that this reader does not know: it was not made. */
export interface Foreign {
  readonly kind: 'foreign';
  /** What Python would have done, shortened: `os.system("id")`. */
  readonly text: string;
  readonly danger: DangerRecord;
}

/** A danger that is being recorded. */
export interface DangerRecord extends Omit<Danger, 'file'> {
  readonly calls: string[];
}

export const isObject = (value: PickleValue): value is PickleObject =>
  typeof value === 'object' && value !== null && 'kind' in value;

/** The value as an object of one kind; undefined if it is something else. */
export function asKind<K extends PickleObject['kind']>(
  value: PickleValue | undefined,
  kind: K,
): (PickleObject & { readonly kind: K }) | undefined {
  const matches = value !== undefined && isObject(value) && value.kind === kind;
  return matches ? (value as PickleObject & { readonly kind: K }) : undefined;
}

export const tupleOf = (items: PickleValue[]): Sequence => ({ kind: 'tuple', items });

/** Items of a list or tuple; undefined for anything else. */
export function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  const isSequence = value !== undefined && isObject(value) && 'items' in value;
  return isSequence ? value.items : undefined;
}

/** Characters, items and depth of a value that are shown. */
const shownCharacters = 120;
const shownItems = 4;
const shownDepth = 3;

/** A value as Python would write it, shortened; for messages. */
export function shownValue(value: PickleValue, depth = 0): string {
  if (typeof value === 'string') return JSON.stringify(cut(value, shownCharacters));
  if (value instanceof Uint8Array) return `bytes(${value.length})`;
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return cut(String(value), shownCharacters);
  switch (value.kind) {
    case 'list':
      return `[${shownItemsOf(value.items, depth)}]`;
    case 'tuple':
      return `(${shownItemsOf(value.items, depth)})`;
    case 'set':
      return `{${shownItemsOf(value.items, depth)}}`;
    case 'dict':
      return value.entries.size === 0 ? '{}' : '{…}';
    case 'foreign':
      return value.text;
    case 'global':
      return value.name;
    case 'dtype':
      return `torch.${value.name}`;
    case 'storage type':
    case 'storage':
    case 'tensor':
      return value.kind;
  }
}

export function shownItemsOf(items: readonly PickleValue[], depth = 0): string {
  if (items.length > 0 && depth >= shownDepth) return '…';
  const shown = items.slice(0, shownItems).map((item) => shownValue(item, depth + 1));
  return [...shown, ...(items.length > shownItems ? ['…'] : [])].join(', ');
}

export const cut = (text: string, limit: number): string =>
  text.length > limit ? `${text.slice(0, limit)}…` : text;
