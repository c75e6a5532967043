import * as l10n from '@vscode/l10n';
import type { TypeCause } from '../../../src/protocol/export';

/** Why a tensor gets its type, as a badge says it. */
export const causes: Readonly<Record<TypeCause, { badge: string; meaning: string }>> = {
  default: { badge: l10n.t('default'), meaning: l10n.t('the file type’s own type') },
  mixture: {
    badge: l10n.t('mixture'),
    meaning: l10n.t('the file type gives this tensor more or fewer bits'),
  },
  output: { badge: l10n.t('output'), meaning: l10n.t('the requested output type') },
  embedding: { badge: l10n.t('embedding'), meaning: l10n.t('the requested token-embedding type') },
  rule: { badge: l10n.t('rule'), meaning: l10n.t('a tensor-type rule') },
  plan: { badge: l10n.t('plan'), meaning: l10n.t('the mixed-precision plan') },
  fallback: {
    badge: l10n.t('fallback'),
    meaning: l10n.t('row length is not a multiple of the requested type’s block size'),
  },
  kept: { badge: l10n.t('kept'), meaning: l10n.t('not a weight matrix, or left unchanged') },
  computed: { badge: l10n.t('computed'), meaning: l10n.t('follows from the configuration') },
};
