import * as l10n from '@vscode/l10n';
import type { NamedTensor } from '../../protocol/names';

/** Roles of tensors in words; of any other tensor nothing is said. */
const roles: Readonly<Record<string, () => string>> = {
  token_embd: () => l10n.t('Embedding of tokens'),
  output: () => l10n.t('Output'),
  attn_q: () => l10n.t('Queries of attention'),
  attn_k: () => l10n.t('Keys of attention'),
  attn_v: () => l10n.t('Values of attention'),
  attn_output: () => l10n.t('Output of attention'),
  ffn_gate: () => l10n.t('Feed-forward gate'),
  ffn_up: () => l10n.t('Feed-forward up'),
  ffn_down: () => l10n.t('Feed-forward down'),
  norm: () => l10n.t('Norm'),
};

/** "Feed-forward down, layer 3": what a tensor does; empty where neither is known. */
export function roleText({ role, layer }: Pick<NamedTensor, 'role' | 'layer'>): string {
  const word = Object.hasOwn(roles, role) ? roles[role]!() : undefined;
  if (layer === undefined) return word ?? '';
  return word === undefined ? l10n.t('Layer {0}', layer) : l10n.t('{0}, layer {1}', word, layer);
}

/** What was saved, as a share in percent: "72 %". */
export const savedShare = (before: number, after: number): string =>
  `${Math.round((100 * (before - after)) / before)} %`;
