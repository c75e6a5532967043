import * as l10n from '@vscode/l10n';
import type { CommandTab } from '../src/protocol/editorState';
import type { ModelLimits } from '../src/protocol/model';

export type Tab = 'model' | 'tensor' | 'quantize' | 'plan' | 'evaluate' | 'compare' | 'export';

/** What each page with several modes shows. */
export interface Modes {
  readonly quantize: 'tensor' | 'tensors' | 'wholeModel';
  readonly plan: 'plan' | 'sensitivity';
  readonly evaluate: 'evaluation' | 'importance' | 'preview' | 'chat';
  readonly export: 'export' | 'refine';
}

export const firstModes: Modes = {
  ...{ quantize: 'tensor', plan: 'plan' },
  ...{ evaluate: 'evaluation', export: 'export' },
};

/** One of several views that share a page. */
export interface ModeDescription<Id extends string = string> {
  readonly id: Id;
  readonly label: string;
  /** What it is for, in a sentence. */
  readonly hint: string;
}

/** A page of the editor. */
export interface TabDescription {
  readonly id: Tab;
  readonly label: string;
  /** What the page is for, in a sentence. */
  readonly hint: string;
}

/** The pages in the order of the work. */
export const tabs: readonly TabDescription[] = [
  { id: 'model', label: l10n.t('Model'), hint: l10n.t('What the model is, and what its files say of it.') },
  {
    id: 'tensor',
    label: l10n.t('Tensor'),
    hint: l10n.t('Statistics, histogram and outliers of the selected tensor.'),
  },
  {
    id: 'quantize',
    label: l10n.t('Quantize'),
    hint: l10n.t('The selected tensors or the whole model in other formats.'),
  },
  { id: 'plan', label: l10n.t('Plan'), hint: l10n.t('The best format for each tensor within a size.') },
  {
    id: 'evaluate',
    label: l10n.t('Evaluate'),
    hint: l10n.t('Perplexity, KL divergence and speed over a text.'),
  },
  {
    id: 'compare',
    label: l10n.t('Compare'),
    hint: l10n.t('The differences from another model, tensor by tensor.'),
  },
  { id: 'export', label: l10n.t('Export'), hint: l10n.t('A GGUF file by a preset or a plan.') },
];

/** Pages that have several modes. */
export type ModedTab = keyof Modes;

/** The modes of pages, the first one first; their words depend on what the model can do. */
export const pageModes: {
  readonly [T in ModedTab]: (limits: ModelLimits) => readonly ModeDescription<Modes[T]>[];
} = {
  quantize: () => [
    {
      id: 'tensor',
      label: l10n.t('One tensor'),
      hint: l10n.t('What every recipe does to the selected tensor.'),
    },
    {
      id: 'tensors',
      label: l10n.t('Several tensors'),
      hint: l10n.t('Tensors, each in a format, saved together.'),
    },
    {
      id: 'wholeModel',
      label: l10n.t('Whole model'),
      hint: l10n.t('A quantized checkpoint, or GGUF, by a recipe.'),
    },
  ],
  plan: () => [
    { id: 'plan', label: l10n.t('Plan'), hint: l10n.t('The best format for each tensor within a size.') },
    {
      id: 'sensitivity',
      label: l10n.t('Sensitivity'),
      hint: l10n.t('The error of every tensor in every format.'),
    },
  ],
  evaluate: ({ run, embeds }) => [
    {
      id: 'evaluation',
      label:
        run !== undefined && embeds === true ? l10n.t('Pairs of texts') : l10n.t('Perplexity and divergence'),
      hint: l10n.t('How good the model is, and what quantizing costs it.'),
    },
    {
      id: 'importance',
      label: l10n.t('Importance matrix'),
      hint: l10n.t('Which inputs of each tensor count, from a text.'),
    },
    {
      id: 'preview',
      label: l10n.t('Errors by block'),
      hint: l10n.t('How an error grows from block to block.'),
    },
    {
      id: 'chat',
      label: l10n.t('Chat'),
      hint: l10n.t('The model and a variant of it answer side by side.'),
    },
  ],
  export: () => [
    { id: 'export', label: l10n.t('Export'), hint: l10n.t('A GGUF file by a preset or a plan.') },
    {
      id: 'refine',
      label: l10n.t('Refine'),
      hint: l10n.t('A GGUF file that is trained on the output of its original.'),
    },
  ],
};

/** The modes of a page that has several. */
export function modesOf(tab: Tab, limits: ModelLimits = {}): readonly ModeDescription[] {
  return tab in pageModes ? pageModes[tab as ModedTab](limits) : [];
}

/** A page, and what it shows there. */
export interface Destination {
  readonly tab: Tab;
  readonly modes?: Partial<Modes>;
}

/** Where commands lead. */
export const destinations: Readonly<Record<CommandTab, Destination>> = {
  tensor: { tab: 'tensor' },
  methods: { tab: 'quantize', modes: { quantize: 'tensor' } },
  quantize: { tab: 'quantize', modes: { quantize: 'tensors' } },
  quantizeModel: { tab: 'quantize', modes: { quantize: 'wholeModel' } },
  plan: { tab: 'plan', modes: { plan: 'plan' } },
  sensitivity: { tab: 'plan', modes: { plan: 'sensitivity' } },
  evaluate: { tab: 'evaluate', modes: { evaluate: 'evaluation' } },
  importance: { tab: 'evaluate', modes: { evaluate: 'importance' } },
  chat: { tab: 'evaluate', modes: { evaluate: 'chat' } },
  compare: { tab: 'compare' },
  export: { tab: 'export', modes: { export: 'export' } },
  refine: { tab: 'export', modes: { export: 'refine' } },
};

/** Whether a page is about the selected tensors, or stays useful while others are selected; other pages give way to the tensor's. */
export function followsSelection(tab: Tab, modes: Modes): boolean {
  if (tab === 'quantize') return modes.quantize !== 'wholeModel';
  return tab === 'tensor' || tab === 'plan';
}
