import type { CommandTab } from '../src/protocol/editorState';
import type { ModelLimits } from '../src/protocol/model';

export type Tab = 'model' | 'tensor' | 'quantize' | 'plan' | 'evaluate' | 'compare' | 'export';

/** What each page with several modes shows. */
export interface Modes {
  readonly quantize: 'tensor' | 'tensors' | 'wholeModel';
  readonly plan: 'plan' | 'sensitivity';
  readonly evaluate: 'evaluation' | 'importance' | 'preview';
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
  { id: 'model', label: 'Model', hint: 'What the model is, and what its files say of it.' },
  { id: 'tensor', label: 'Tensor', hint: 'Statistics, histogram and outliers of the selected tensor.' },
  { id: 'quantize', label: 'Quantize', hint: 'The selected tensors or the whole model in other formats.' },
  { id: 'plan', label: 'Plan', hint: 'The best format for each tensor within a size.' },
  { id: 'evaluate', label: 'Evaluate', hint: 'Perplexity, KL divergence and speed over a text.' },
  { id: 'compare', label: 'Compare', hint: 'The differences from another model, tensor by tensor.' },
  { id: 'export', label: 'Export', hint: 'A GGUF file by a preset or a plan.' },
];

/** Pages that have several modes. */
export type ModedTab = keyof Modes;

/** The modes of pages, the first one first; their words depend on what the model can do. */
export const pageModes: {
  readonly [T in ModedTab]: (limits: ModelLimits) => readonly ModeDescription<Modes[T]>[];
} = {
  quantize: () => [
    { id: 'tensor', label: 'One tensor', hint: 'What every recipe does to the selected tensor.' },
    { id: 'tensors', label: 'Several tensors', hint: 'Tensors, each in a format, saved together.' },
    { id: 'wholeModel', label: 'Whole model', hint: 'A quantized checkpoint, or GGUF, by a recipe.' },
  ],
  plan: () => [
    { id: 'plan', label: 'Plan', hint: 'The best format for each tensor within a size.' },
    { id: 'sensitivity', label: 'Sensitivity', hint: 'The error of every tensor in every format.' },
  ],
  evaluate: ({ run, embeds }) => [
    {
      id: 'evaluation',
      label: run !== undefined && embeds === true ? 'Pairs of texts' : 'Perplexity and divergence',
      hint: 'How good the model is, and what quantizing costs it.',
    },
    { id: 'importance', label: 'Importance matrix', hint: 'Which inputs of each tensor count, from a text.' },
    { id: 'preview', label: 'Errors by block', hint: 'How an error grows from block to block.' },
  ],
  export: () => [
    { id: 'export', label: 'Export', hint: 'A GGUF file by a preset or a plan.' },
    { id: 'refine', label: 'Refine', hint: 'A GGUF file that is trained on the output of its original.' },
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
  compare: { tab: 'compare' },
  export: { tab: 'export', modes: { export: 'export' } },
  refine: { tab: 'export', modes: { export: 'refine' } },
};

/** Whether a page is about the selected tensors, or stays useful while others are selected; other pages give way to the tensor's. */
export function followsSelection(tab: Tab, modes: Modes): boolean {
  if (tab === 'quantize') return modes.quantize !== 'wholeModel';
  return tab === 'tensor' || tab === 'plan';
}
