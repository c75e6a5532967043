import { measurableTypes } from '../../ampq/rivalFile';
import { latticeCandidates } from '../../ampq/sensitivity';
import type { RivalFile } from '../../protocol/rivalFile';
import { needsImportance } from './fileTypes';

/**
 * The types of a file that a plan can be given, too: of those that need importance weights only what this run can encode.
 * @param encoding whether there is an importance matrix, and whether codes are optimised.
 */
export const rivalTypes = (
  rival: RivalFile,
  { hasImportance, isOptimised }: { readonly hasImportance: boolean; readonly isOptimised: boolean },
): string[] =>
  measurableTypes(rival).filter(
    (type) =>
      !needsImportance(type, '') || hasImportance || (isOptimised && latticeCandidates.includes(type)),
  );
