import { awq } from './awq';
import { bitsandbytes } from './bitsandbytes';
import { eetq } from './eetq';
import { floatBlocks } from './floatBlocks';
import { gptq } from './gptq';
import { hqq } from './hqq';
import type { Layout } from './layout';
import { marlin } from './marlin';
import { packedIntegers } from './packedIntegers';
import { quantscope } from './quantscope';
import { scaledCodes } from './scaledCodes';

/** The layouts that are read, in the order in which they are tried. */
export const layouts: readonly Layout[] = [
  ...[quantscope, bitsandbytes, gptq, awq, marlin, eetq, packedIntegers, floatBlocks, scaledCodes, hqq],
];
