import { layouts } from '../layouts/layouts';
import type { LayoutWriter } from '../layouts/layout';

/** The layouts that recipes can name. */
export const writers: readonly LayoutWriter[] = layouts.flatMap((layout) => layout.writers ?? []);

export const writerNamed = (id: string): LayoutWriter | undefined =>
  writers.find((writer) => writer.id === id);
