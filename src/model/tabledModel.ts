import type { TensorDescriptor } from '../protocol/model';
import type { TensorTable } from '../protocol/tensorTable';

/**
 * What files say of their tensors, of which a hundred thousand descriptors are made only where something looks at each of them. A copy that is made
 * member by member has them as an ordinary list.
 */

interface WithTensors {
  readonly tensors: readonly TensorDescriptor[];
}

interface Tabled {
  readonly members: object;
  readonly table: () => TensorTable;
}

const tabled = new WeakMap<object, Tabled>();

/** An object with these members and the tensors of a table, which is made when it is first asked for. */
export function withTable<T extends object>(members: T, make: () => TensorTable): T & WithTensors {
  let made: TensorTable | undefined;
  const table = (): TensorTable => (made ??= make());
  const model = {
    ...members,
    get tensors() {
      return table().all();
    },
  };
  tabled.set(model, { members, table });
  return model;
}

/** The table of an object whose tensors are as they were read. */
export const tableOf = (model: WithTensors): TensorTable | undefined => tabled.get(model)?.table();

/** All members but the tensors. */
export function membersOf<T extends WithTensors>(model: T): Omit<T, 'tensors'> {
  const known = tabled.get(model);
  if (known) return known.members as Omit<T, 'tensors'>;
  return withoutTensors(model);
}

const withoutTensors = <T extends WithTensors>({ tensors: _, ...members }: T): Omit<T, 'tensors'> => members;

/** An object with these members and the tensors of another one. */
export function withTensorsOf<T extends object>(members: T, other: WithTensors): T & WithTensors {
  const known = tabled.get(other);
  return known ? withTable(members, known.table) : { ...members, tensors: other.tensors };
}
