/** What a fault of a plan or recipe is; stable, as users filter by it. */
export type FaultCode =
  | 'model/other'
  | 'tensor/unknown'
  | 'tensor/twice'
  | 'tensor/unlisted'
  | 'format/unknown'
  | 'format/shape'
  | 'constraint/pattern'
  | 'constraint/idle'
  | 'constraint/broken'
  | 'group/broken'
  | 'budget/exceeded'
  | 'runtime/none'
  | 'recipe/invalid'
  | 'recipe/idle'
  | 'recipe/model';

/** Part of a text, by offsets of its UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A change of the text that mends a fault. */
export interface TextFix extends Span {
  readonly title: string;
  readonly text: string;
}

export interface DocumentFault extends Span {
  readonly code: FaultCode;
  /** An error is refused by exports; a warning is not what the user can have meant; an information is worth knowing. */
  readonly severity: 'error' | 'warning' | 'information';
  readonly message: string;
  /** The likeliest first. */
  readonly fixes: readonly TextFix[];
}

/** Bits and bytes that belong to a place of the text. */
export interface DocumentHint {
  readonly offset: number;
  readonly text: string;
}

/** A plan or recipe, checked against its model. */
export interface DocumentCheck {
  /** In the order of the text. What the JSON schema tells by itself is not repeated. */
  readonly faults: readonly DocumentFault[];
  readonly hints: readonly DocumentHint[];
  /** The model that it was checked against; absent where there is none among those given. */
  readonly model?: { readonly path: string; readonly name: string };
  /** Names that its tensors can have, and formats; for completion. */
  readonly names: readonly string[];
  /** Of a plan: for each of these names those of the model's tensors that it is made of. */
  readonly sources?: readonly (readonly string[])[];
  readonly formats: readonly string[];
}

export type DocumentKind = 'plan' | 'recipe';

/** By the ending of a file's name; undefined for other files. */
export function documentKind(file: string): DocumentKind | undefined {
  const name = file.toLowerCase();
  if (name.endsWith('.ampq.json')) return 'plan';
  return name.endsWith('.recipe.json') ? 'recipe' : undefined;
}
