import * as l10n from '@vscode/l10n';
import { defined } from './defined';

/** A number of a model, or the least and the most where layers differ. */
export type Span = number | readonly [least: number, most: number];

/** Where what is known of a model was read: keys of a GGUF file, its configuration, or names and shapes of its tensors. */
export type IdentitySource = 'keys' | 'config' | 'tensors';

/** Numbers of a model by what they count. */
export const identityNumbers = [
  ...(['layers', 'hidden', 'feedForward', 'heads', 'kvHeads', 'headSize', 'compressedKeys'] as const),
  ...(['experts', 'expertsUsed', 'sharedExperts', 'expertFeedForward', 'stateSize'] as const),
  ...(['vocabulary', 'context', 'window', 'ropeBase'] as const),
] as const;
export type IdentityNumber = (typeof identityNumbers)[number];

/** Weights of one dtype. */
export interface DtypeShare {
  readonly dtype: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

/** What a model is, as far as its headers and configuration tell. */
export interface ModelIdentity extends Partial<Readonly<Record<IdentityNumber, Span>>> {
  /** `general.architecture` or `model_type`. */
  readonly family?: string;
  /** The class of transformers that its configuration names. */
  readonly className?: string;
  /** How positions beyond those of the training are reached: "yarn × 4". */
  readonly ropeScaling?: string;
  /** Whether the embedding is also the output matrix; absent where there is no embedding. */
  readonly tied?: boolean;
  readonly tokenizer?: string;
  /** Most bytes first. */
  readonly dtypes: readonly DtypeShare[];
  /** Where each number was read. */
  readonly sources: Partial<Readonly<Record<IdentityNumber, IdentitySource>>>;
}

/** What is shown of a model: a name, its value, and where it comes from. */
export interface IdentityLine {
  readonly label: string;
  readonly text: string;
  readonly hint?: string;
}

const hints: Readonly<Record<IdentitySource, string>> = {
  keys: l10n.t('From the key-values of the file.'),
  config: l10n.t('From the configuration next to the weights.'),
  tensors: l10n.t('From names and shapes of the tensors: no key says it.'),
};

const integer = (value: number): string => value.toLocaleString('en-US');

/** "32", or "8–32" where layers differ. */
export const spanText = (span: Span): string =>
  typeof span === 'number' ? integer(span) : `${integer(span[0])}–${integer(span[1])}`;

/** What is known of a model in words, in the order of its forward pass; what is not known is left out. */
export function identityLines(identity: ModelIdentity): IdentityLine[] {
  const { family, className, tied, ropeScaling, tokenizer, dtypes, sources } = identity;
  const text = (name: IdentityNumber): string | undefined => {
    const span = identity[name];
    return span === undefined ? undefined : spanText(span);
  };
  const line = (label: string, name: IdentityNumber, shown = text(name)): IdentityLine | undefined => {
    const source = sources[name];
    return shown === undefined ? undefined : defined({ label, text: shown, hint: source && hints[source] });
  };
  const stated = (label: string, shown: string | undefined): IdentityLine | undefined =>
    shown === undefined ? undefined : { label, text: shown };
  const lines = [
    stated(l10n.t('Family'), family && (className ? `${family} (${className})` : family)),
    line(l10n.t('Layers'), 'layers'),
    line(l10n.t('Hidden size'), 'hidden'),
    line(l10n.t('Heads'), 'heads', headsText(identity)),
    line(l10n.t('Head size'), 'headSize'),
    line(l10n.t('Compressed keys'), 'compressedKeys'),
    line(l10n.t('State size'), 'stateSize'),
    line(l10n.t('Feed-forward'), 'feedForward'),
    line(l10n.t('Experts'), 'experts', expertsText(identity)),
    line(l10n.t('Expert size'), 'expertFeedForward'),
    line(l10n.t('Vocabulary'), 'vocabulary'),
    line(l10n.t('Context'), 'context', text('context') && l10n.t('{0} tokens', text('context') ?? '')),
    line(
      l10n.t('Window'),
      'window',
      text('window') && l10n.t('{0} tokens in some layers', text('window') ?? ''),
    ),
    line(l10n.t('Rotary base'), 'ropeBase', ropeText(text('ropeBase'), ropeScaling)),
    stated(
      l10n.t('Embedding'),
      tied === undefined ? undefined : tied ? l10n.t('also the output (tied)') : l10n.t('output of its own'),
    ),
    stated(l10n.t('Tokenizer'), tokenizer),
    stated(l10n.t('Stored as'), dtypesText(dtypes)),
  ];
  return lines.filter((item) => item !== undefined);
}

function headsText({ heads, kvHeads }: ModelIdentity): string | undefined {
  if (heads === undefined) return undefined;
  if (kvHeads === undefined || spanText(kvHeads) === spanText(heads)) return spanText(heads);
  return l10n.t('{0}, {1} for keys and values', spanText(heads), spanText(kvHeads));
}

function expertsText({ experts, expertsUsed, sharedExperts }: ModelIdentity): string | undefined {
  if (experts === undefined) return undefined;
  const used = expertsUsed === undefined ? '' : l10n.t(', {0} for each token', spanText(expertsUsed));
  return `${spanText(experts)}${used}${sharedExperts ? l10n.t(', {0} shared', spanText(sharedExperts)) : ''}`;
}

function ropeText(base: string | undefined, scaling: string | undefined): string | undefined {
  if (base === undefined) return scaling;
  return scaling === undefined ? base : `${base}, ${scaling}`;
}

/** "BF16 99.9 %, F32 0.1 %" by bytes; the rest of many dtypes is one. */
function dtypesText(dtypes: readonly DtypeShare[]): string | undefined {
  const total = dtypes.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total === 0) return undefined;
  const most = dtypes.filter(({ bytes }) => bytes > 0).slice(0, 4);
  const share = (bytes: number): string => {
    const percent = (100 * bytes) / total;
    return percent < 0.1 ? '<\u{a0}0.1\u{a0}%' : `${percent >= 99.95 ? '100' : percent.toFixed(1)}\u{a0}%`;
  };
  const rest = dtypes.length - most.length;
  const listed = most.map(({ dtype, bytes }) =>
    most.length === 1 ? dtype : `${dtype}\u{a0}${share(bytes)}`,
  );
  return `${listed.join(', ')}${rest > 0 ? l10n.t(' and {0} more', rest) : ''}`;
}
