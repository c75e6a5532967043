import * as l10n from '@vscode/l10n';
import type { ModelRef } from './model';
import type { DeviceChoice } from './device';
import type { EvidenceKind } from './recipe';
import { inLanguage, said } from './said';

/** What a method knows of the inputs of a matrix, in words: the rungs of evidence. */
export const evidenceWords: Readonly<Record<EvidenceKind, string>> = {
  none: inLanguage(said`weights alone`),
  importance: l10n.t('importance'),
  hessian: l10n.t('Hessian'),
  activations: l10n.t('activations'),
  gradients: inLanguage(said`Hessian and output gradients`),
};

/** The rungs, from what costs nothing to what costs most. */
export const evidenceKinds = Object.keys(evidenceWords) as readonly EvidenceKind[];

/** A calibration pass: what methods need to know of the inputs of a model's matrices. */
export interface EvidenceSettings {
  /** UTF-8 text that the model is run over. */
  readonly text: string;
  /** Tokens of the text that are used, in whole windows; 65,536 where it is absent. */
  readonly tokens?: number;
  /** Tokens of a window; 512, or the model's context length where that is less. */
  readonly context?: number;
  readonly needs: readonly EvidenceKind[];
  readonly device: DeviceChoice;
  readonly memory?: 'auto' | 'whole' | 'streamed';
}

export interface EvidenceParams extends EvidenceSettings, ModelRef {
  /** Folder where evidence is kept. */
  cacheDir: string;
  threads?: number;
}

/** What a pass would take; nothing is measured but the speed of the first block. */
export interface EvidenceEstimate {
  readonly tokens: number;
  /** 0 where the evidence is kept from an earlier pass. */
  readonly seconds: number;
  /** On disk. */
  readonly bytes: number;
  readonly isKept: boolean;
}

export interface EvidenceResult extends EvidenceEstimate {
  /** Inputs that were measured: those that several matrices share count once. */
  readonly inputs: number;
  readonly notes: readonly string[];
}

/** Evidence of a model that is kept from an earlier pass over any text: the latest. */
export interface StoredEvidence {
  readonly text: string;
  readonly tokens: number;
  readonly kinds: readonly EvidenceKind[];
}
