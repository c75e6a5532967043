import type { ColumnOrder } from './description';

/** Which column of a file each column of a checkpoint is. */
export function fileColumns({ groups, members, size }: ColumnOrder): Int32Array {
  return Int32Array.from({ length: groups * members * size }, (_, column) => {
    const [head, within] = [Math.floor(column / size), column % size];
    const [group, member] = [Math.floor(head / members), head % members];
    return (member * groups + group) * size + within;
  });
}
