import type { TensorDescriptor } from './model';

/**
 * How a text of a document names tensors. Names are those of a checkpoint ("model.layers.3.mlp.down_proj") or of GGUF ("blk.3.ffn_down");
 * ".weight" may be left out.
 * - `name`: a tensor, or a module by its whole name.
 * - `module`: a module by its name, by what its name ends with, or one that it lies in ("lm_head", "mlp.gate").
 * - `search`: a regular expression that is found anywhere in a name.
 * - `start`: one that a name begins with, `whole`: one that is a whole name; both as Python's `re` reads them.
 * - `contains`: part of a name, letter by letter.
 * - `wildcard`: a whole name with `*`, `?` and sets of characters, or part of one between dots.
 * - `exported`: a regular expression that is found anywhere in a name of the exported file.
 * - `tensor-type`: the same as llama-quantize reads it.
 */
export type NameSyntax = (typeof nameSyntaxes)[number];

export const nameSyntaxes = [
  ...(['name', 'module', 'search', 'start', 'whole', 'contains', 'wildcard'] as const),
  ...(['exported', 'tensor-type'] as const),
] as const;

export interface NameQuery {
  readonly text: string;
  readonly syntax: NameSyntax;
}

/** Where a document names tensors: offsets of its text, and what stands there. */
export interface NamePlace {
  readonly start: number;
  readonly end: number;
  readonly query: NameQuery;
}

/** A tensor of a model as a header describes it, and what is known of it by its name. */
export interface NamedTensor extends Pick<
  TensorDescriptor,
  'name' | 'dtype' | 'shape' | 'elements' | 'byteLength' | 'unreadableReason'
> {
  /** What it does in the model: "ffn_down". */
  readonly role: string;
  readonly layer?: number;
  /** Its name in the other scheme: in the exported file, or in the checkpoint that a GGUF file was made from. */
  readonly alias?: string;
}

/** What a query finds in a model. */
export interface NameMatch {
  readonly model: {
    /** As requested. */
    readonly path: string;
    readonly name: string;
  };
  /** Present where it is one tensor. */
  readonly tensor?: NamedTensor;
  /** Of the model, not of the exported file. */
  readonly tensors: number;
  readonly elements: number;
  readonly byteLength: number;
  /** Layers that they belong to; tensors outside of layers count for none. */
  readonly layers: number;
  /** Names of the tensors of the exported file that they become part of, as plans and tables have them. */
  readonly rows: readonly string[];
}
