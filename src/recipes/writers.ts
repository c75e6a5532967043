import { layouts } from '../layouts/layouts';
import type { LayoutWriter } from '../layouts/layout';
import { refuseRareMembers } from '../layouts/writing';

/** The layouts that recipes can name. */
export const writers: readonly LayoutWriter[] = layouts
  .flatMap((layout) => layout.writers ?? [])
  .map((writer) => ({
    ...writer,
    refuse: (weight) => writer.refuse(weight) ?? refuseRareMembers(weight, writer.rareMembers),
  }));

export const writerNamed = (id: string): LayoutWriter | undefined =>
  writers.find((writer) => writer.id === id);
