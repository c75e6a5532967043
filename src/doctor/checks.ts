import type { Check } from './check';
import { chatTemplateCheck } from './checks/chatTemplate';
import { filesCheck } from './checks/files';
import { ggufKeysCheck } from './checks/ggufKeys';
import { indexCheck } from './checks/indexFile';
import { quantizedCheck } from './checks/quantized';
import { specialTokensCheck } from './checks/specialTokens';
import { tensorsCheck } from './checks/tensors';
import { tokenizerCheck } from './checks/tokenizer';
import { valuesCheck } from './checks/values';

/** In the order in which they run: those that read weights come last. */
export const checks: readonly Check[] = [
  filesCheck,
  indexCheck,
  tensorsCheck,
  ggufKeysCheck,
  tokenizerCheck,
  specialTokensCheck,
  chatTemplateCheck,
  quantizedCheck,
  valuesCheck,
];
