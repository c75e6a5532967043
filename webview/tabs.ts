import type { Tab } from './store';

/** A page of the editor. */
export interface TabDescription {
  readonly id: Tab;
  readonly label: string;
  /** What the page is for, in a sentence. */
  readonly hint: string;
}

/** The pages by what they are for, in the order of the work. */
export const tabGroups: readonly { readonly label: string; readonly tabs: readonly TabDescription[] }[] = [
  {
    label: 'Inspect',
    tabs: [
      { id: 'tensor', label: 'Tensor', hint: 'Statistics, histogram and outliers of the selected tensor.' },
      { id: 'metadata', label: 'Metadata', hint: 'What the files say of the model.' },
    ],
  },
  {
    label: 'Choose formats',
    tabs: [
      { id: 'quantize', label: 'Quantize Layer', hint: 'The selected tensors in formats and by methods.' },
      { id: 'sensitivity', label: 'Sensitivity', hint: 'The error of every tensor in every format.' },
      { id: 'plan', label: 'Plan', hint: 'The best format for each tensor within a size.' },
    ],
  },
  {
    label: 'Make files',
    tabs: [
      { id: 'quantizeModel', label: 'Quantize Model', hint: 'A quantized checkpoint, or GGUF, by a recipe.' },
      { id: 'export', label: 'Export', hint: 'A GGUF file by a preset or a plan.' },
      { id: 'refine', label: 'Refine', hint: 'A GGUF file that is trained on the output of its original.' },
    ],
  },
  {
    label: 'Check',
    tabs: [
      { id: 'compare', label: 'Compare', hint: 'The differences from another model, tensor by tensor.' },
      { id: 'evaluate', label: 'Evaluate', hint: 'Perplexity, KL divergence and speed over a text.' },
    ],
  },
];

/** The pages in the order in which they are shown. */
export const tabs: readonly TabDescription[] = tabGroups.flatMap((group) => group.tabs);
