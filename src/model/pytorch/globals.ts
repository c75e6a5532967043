import { maxPickleObjects } from '../limits';
import { dtypeGlobal, storageGlobal } from './dtypes';
import { rebuilds } from './rebuild';
import { asKind, itemsOf, type Dictionary, type KnownGlobal, type PickleValue } from './values';

/** What a known class or function makes of its arguments; undefined where they are not arguments of it. */
type Make = (args: readonly PickleValue[]) => PickleValue | undefined;

const listOf: Make = ([items]) => collection('list', items);
const tupleOfItems: Make = ([items]) => collection('tuple', items);
const setOf: Make = ([items]) => collection('set', items);
const textOf: Make = ([text]) => text ?? '';

function collection(kind: 'list' | 'tuple' | 'set', items: PickleValue | undefined): PickleValue | undefined {
  if (items === undefined) return { kind, items: [] };
  const found = itemsOf(items);
  return found && { kind, items: [...found] };
}

/** From nothing, another dictionary, or a list of pairs. */
function dictOf([source]: readonly PickleValue[]): PickleValue | undefined {
  if (source === undefined) return { kind: 'dict', entries: new Map() };
  const copied = asKind(source, 'dict');
  if (copied) return { kind: 'dict', entries: new Map(copied.entries) };
  const pairs = itemsOf(source) ?? [source];
  if (pairs.length > maxPickleObjects) return undefined;
  const entries: Dictionary['entries'] = new Map();
  for (const pair of pairs) {
    const [key, value, ...more] = itemsOf(pair)?.slice(0, 3) ?? [];
    if (key === undefined || value === undefined || more.length > 0) return undefined;
    entries.set(key, value);
  }
  return { kind: 'dict', entries };
}

/** The factory only matters to code that runs later; one that is not known was recorded where it was named. */
const defaultDict: Make = ([, ...rest]) => dictOf(rest);

/** Bytes that protocol 2 spells as text in Latin-1. */
function encode([text, encoding]: readonly PickleValue[]): PickleValue | undefined {
  const isLatin = typeof encoding === 'string' && /^(latin-?1|iso-?8859-1)$/i.test(encoding);
  return typeof text === 'string' && isLatin ? Buffer.from(text, 'latin1') : undefined;
}

function byteArray([source, encoding]: readonly PickleValue[]): PickleValue | undefined {
  if (source === undefined) return new Uint8Array(0);
  return source instanceof Uint8Array ? source : encode([source, encoding ?? null]);
}

const builtins: Readonly<Record<string, Make>> = {
  dict: dictOf,
  list: listOf,
  tuple: tupleOfItems,
  set: setOf,
  frozenset: setOf,
  bytearray: byteArray,
  complex: ([real = 0, imaginary = 0]) =>
    typeof real === 'number' && typeof imaginary === 'number' ? `${real}+${imaginary}j` : undefined,
};

/** Everything that is made of its arguments here, in the way of Python; nothing else ever is. */
const makes = new Map<string, Make>([
  ...['builtins', '__builtin__'].flatMap((module) =>
    Object.entries(builtins).map(([name, make]): [string, Make] => [`${module}.${name}`, make]),
  ),
  ['collections.OrderedDict', dictOf],
  ['collections.Counter', dictOf],
  ['collections.defaultdict', defaultDict],
  ['_codecs.encode', encode],
  ['torch.Size', tupleOfItems],
  ['torch.device', textOf],
  ['torch.serialization._get_layout', textOf],
  ['torch.nn.parameter.Parameter', ([data]) => data],
  ['torch.nn.Parameter', ([data]) => data],
  ...rebuilds,
]);

/** Names that only appear as arguments. */
const constants = new Set([
  'torch.Tensor',
  'torch.per_tensor_affine',
  'torch.per_tensor_symmetric',
  'torch.per_channel_affine',
  'torch.per_channel_symmetric',
  'torch.per_channel_affine_float_qparams',
]);

/** How tensors of subclasses are made: by another function, then as their class. */
const rebuildsFromType = new Set([
  'torch._tensor._rebuild_from_type',
  'torch._tensor._rebuild_from_type_v2',
  'torch.tensor._rebuild_from_type',
]);

/** The value of a name that this reader knows: tensors, storages and plain containers. @param name module and name, joined by a dot. */
export function findGlobal(name: string): PickleValue | undefined {
  if (makes.has(name) || constants.has(name) || rebuildsFromType.has(name)) return { kind: 'global', name };
  return dtypeGlobal(name) ?? storageGlobal(name);
}

/**
 * What a known class or function makes. Where an argument could not be made, the result is that argument's stand-in.
 * @returns undefined where the arguments do not fit.
 */
export function callGlobal({ name }: KnownGlobal, args: readonly PickleValue[]): PickleValue | undefined {
  if (!rebuildsFromType.has(name)) return madeOf(name, args);
  // A tensor with attributes or of a subclass: how the plain tensor is made, its class, and the arguments.
  const [inner, type, innerArgs] = args;
  const foreign = [inner, type].find((value) => asKind(value, 'foreign'));
  if (foreign !== undefined) return foreign;
  const [known, list] = [asKind(inner, 'global'), asKind(innerArgs, 'tuple')];
  const isRebuild = rebuilds.some(([rebuild]) => rebuild === known?.name);
  return known && list && isRebuild ? madeOf(known.name, list.items) : undefined;
}

const madeOf = (name: string, args: readonly PickleValue[]): PickleValue | undefined =>
  makes.get(name)?.(args) ?? args.find((value) => asKind(value, 'foreign'));
