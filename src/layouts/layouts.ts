import { awq } from './awq';
import { bitsandbytes } from './bitsandbytes';
import { eetq } from './eetq';
import { floatBlocks } from './floatBlocks';
import { gptq } from './gptq';
import { QuantscopeError } from '../model/errors';
import type { Layout, LayoutWriter } from './layout';
import { marlin } from './marlin';
import { packedIntegers } from './packedIntegers';
import { quantscope } from './quantscope';
import { scaledCodes } from './scaledCodes';

/** The layouts that are read, in the order in which they are tried. */
export const layouts: readonly Layout[] = [
  ...[quantscope, bitsandbytes, gptq, awq, marlin, eetq, packedIntegers, floatBlocks, scaledCodes],
];

/** The layouts that are written. */
export const writers: readonly LayoutWriter[] = layouts.flatMap((layout) => layout.writers ?? []);

/** @throws QuantscopeError REQUEST for an id that no layout has, with those that there are. */
export function writerById(id: string): LayoutWriter {
  const writer = writers.find((candidate) => candidate.id === id);
  if (writer) return writer;
  const ids = writers.map((candidate) => candidate.id).join(', ');
  throw new QuantscopeError('REQUEST', `No layout has the id "${id}". There are: ${ids}.`);
}
