import type { Layout } from './layout';
import { quantscope } from './quantscope';

/** The layouts that are read, in the order in which they are tried. */
export const layouts: readonly Layout[] = [quantscope];
