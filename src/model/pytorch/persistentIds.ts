import type { Machine } from './machine';
import { asKind, shownValue, storageBytes, type PickleValue, type Storage } from './values';
import { said } from '../../protocol/said';

/**
 * The storage that an id stands for: `('storage', class, key, device, elements)`, in the older file format followed by `None` or
 * `(key, first element, elements)` of a view. Whole modules of that format, `('module', class, file, source)`, stand for their class.
 */
export function storageOf(m: Machine, id: PickleValue): PickleValue {
  const [what, type, key, , elements, view] = asKind(id, 'tuple')?.items ?? [];
  if (textOf(what) === 'module' && type !== undefined) return type;
  const unknown = asKind(type, 'foreign');
  if (textOf(what) === 'storage' && unknown) return unknown;
  const [known, name] = [asKind(type, 'storage type'), textOf(key)];
  const start = view === undefined || view === null ? 0 : asKind(view, 'tuple')?.items[1];
  if (textOf(what) === 'storage' && known && name !== undefined && isCount(elements) && isCount(start))
    return storage(m, { kind: 'storage', type: known, key: name, elements, start });
  throw m.fail(said`The pickle refers to data by ${shownValue(id)}, which is not the id of a storage.`);
}

/** Counts a storage among those of the pickle, which must have one size each. */
function storage(m: Machine, found: Storage): Storage {
  const known = m.storages.get(found.key) ?? found;
  if (storageBytes(known) !== storageBytes(found))
    throw m.fail(
      said`The pickle gives the storage ${found.key} both ${storageBytes(known)} and ${storageBytes(found)} bytes.`,
    );
  m.storages.set(found.key, known);
  return found;
}

/** Python 2 wrote text as bytes; older versions of PyTorch used numbers as keys. */
function textOf(value: PickleValue | undefined): string | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
