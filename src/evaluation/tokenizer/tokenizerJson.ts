/** A token that is looked for in the text before anything else happens to it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Recognised in text only when special tokens are requested. */
  readonly special: boolean;
  readonly normalized?: boolean;
  /** White space before or after it is part of it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
}

/** The model of a tokenizer.json (BPE or WordPiece), as far as it is used here. */
export interface ModelJson {
  readonly type: string;
  /** Text → id. */
  readonly vocab: Readonly<Record<string, number>>;
}

/** What `@huggingface/tokenizers` reads of a tokenizer.json; all keys are required. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly post_processor: null;
  readonly decoder: object | null;
  readonly model: ModelJson & Readonly<Record<string, unknown>>;
}
