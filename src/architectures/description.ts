import type { KeyValue } from '../model/keyValue';
import type { Described } from './classNames';
import type { ConfigReader } from './configReader';
import type { EncoderTraits, ForwardTraits } from './forward';

/**
 * One architecture of Hugging Face in GGUF's terms: which key-values state its hyper-parameters, and which tensors of the
 * checkpoint make up each tensor of the file. Names and layouts are those that llama.cpp reads.
 */
export interface ArchitectureDescription extends Described {
  /** `general.architecture`; the prefix of its key-values. */
  readonly name: string;
  /** What its models are called, for lists; the names of the classes say it where it is absent. */
  readonly family?: string;
  /** What those who choose a model should know, as part of a sentence. */
  readonly remark?: string;
  /** llama.cpp only makes embeddings with it: tokens see later ones, too, and none are predicted. */
  readonly embeds?: true;
  /** llama.cpp applies two dense layers to the pooled embedding. */
  readonly denseLayers?: true;
  /** Present where Quantscope can run the architecture. */
  readonly forward?: ForwardTraits;
  /** Present where Quantscope can embed texts with it. */
  readonly encodes?: EncoderTraits;
  /** @throws QuantscopeError UNSUPPORTED for what GGUF cannot express, MODEL_FILE for missing or impossible numbers. */
  convert(config: ConfigReader): Conversion;
}

export interface Conversion {
  /** Hyper-parameters; keys without the architecture's name. */
  readonly keyValues: readonly KeyValue[];
  /** Rows of the table of token types, which llama.cpp reads among the keys of the tokenizer. */
  readonly tokenTypes?: number;
  /** Rules in the order in which they are applied; those of many blocks are made on demand. */
  readonly tensors: readonly (TensorRule | Iterable<TensorRule>)[];
  /** Tensors that follow from config.json alone. */
  readonly computed?: readonly ComputedTensor[];
  /** Prefixes that names of the checkpoint may have or lack; rules are written without. */
  readonly prefixes?: readonly string[];
  /** Windows that transformers applies and llama.cpp does not. */
  readonly window?: LayerWindow;
  /** What llama.cpp's rotary frequencies are divided by in transformers, where GGUF cannot say it; one for each pair. */
  readonly divisors?: Float32Array;
  /** How llama.cpp differs from transformers on this model, as sentences. */
  readonly notes?: readonly string[];
  /** Where the output is the embedding by config.json: their names without prefix. The output may still be in the checkpoint. */
  readonly tied?: { readonly output: string; readonly embedding: string };
  /** Parts of the checkpoint that are another model's, by what they are: tensors by name without prefix. */
  readonly leftOut?: Readonly<Record<string, RegExp>>;
  /** Tensors of the checkpoint, by name without prefix, that GGUF does not need. */
  readonly ignored?: readonly RegExp[];
}

/** Layers whose queries see only so many positions, including their own. */
export interface LayerWindow {
  readonly size: number;
  /** By layer. */
  readonly layers: readonly boolean[];
}

/** A size of a tensor; 'any' takes what the checkpoint has (rows of an embedding may be padded). */
export type Size = number | 'any';

/** One tensor of the file: source matrices one below the other, rows picked from them, put in order, shifted. */
export interface TensorRule {
  /** Name in GGUF. */
  readonly to: string;
  /** Names in the checkpoint, without prefix; the rows of several follow each other. */
  readonly from: readonly string[];
  /** Shape in GGUF, outermost dimension first. */
  readonly shape: readonly Size[];
  /** Shape of each source, where it is not `shape`. */
  readonly sourceShape?: readonly Size[];
  /** Ranges of the sources' rows, in the order of the file; all of them when absent. Entries of a vector count as rows. */
  readonly rows?: readonly RowRange[];
  /** Entries count as rows in a matrix, too: biases of experts, one row of entries each. */
  readonly byEntry?: true;
  readonly unit?: Unit;
  /** Other sources of the same rows, taken where the checkpoint has any of them. */
  readonly instead?: Instead;
  /** Added to each weight; the tensor becomes F32. */
  readonly add?: number;
  /** What each weight w becomes, in a tensor of F32: `-exp` is −eʷ, whose inverse is ln(−w). */
  readonly map?: WeightMap;
  /** What weights are multiplied by, row after row of the file; the tensor keeps any type. */
  readonly factors?: readonly RowFactor[];
  /** May be missing, together with all its sources. */
  readonly optional?: boolean;
}

/** What replaces those fields of a rule. */
export type Instead = Pick<TensorRule, 'from' | 'rows' | 'unit'> &
  Required<Pick<TensorRule, 'sourceShape'>> & {
    /** Where the sources are plain numbers, not codes and scales: libraries store both under one name, one transposed. */
    readonly plain?: true;
  };

export interface RowRange {
  readonly first: number;
  readonly count: number;
  /** From one row to the next; 1 when absent. */
  readonly step?: number;
}

/** A factor of so many rows after those before it: of all that follow where they are infinite. */
export interface RowFactor {
  readonly rows: number;
  readonly factor: number;
}

/** A function of one weight that has an inverse. */
export type WeightMap = '-exp';

/** So many rows are processed together; a tensor is a whole number of units. */
export type Unit = RowOrder | ColumnOrder;

export interface RowOrder {
  readonly rows: number;
  /**
   * `interleave`: row j·d/2 + i of d becomes row 2·i + j (rotary pairs side by side; entries of a vector count as rows).
   * `transpose`: the unit, a matrix, is transposed.
   */
  readonly order: 'interleave' | 'transpose';
  /** Of a unit that is transposed: only these columns become rows. */
  readonly columns?: RowRange;
  /** Of a unit that is transposed: what the source gives as outputs, the matrix of the file takes as inputs. */
  readonly takesOutputs?: true;
}

/**
 * `regroup`: columns [groups, members, size] of each row become [members, groups, size]. The same with groups and members
 * exchanged is the inverse.
 */
export interface ColumnOrder {
  readonly rows: 1;
  readonly order: 'regroup';
  readonly groups: number;
  readonly members: number;
  readonly size: number;
  readonly columns?: undefined;
  readonly takesOutputs?: undefined;
}

export interface ComputedTensor {
  readonly to: string;
  readonly values: Float32Array;
  /** Why it exists, as a short phrase. */
  readonly reason: string;
}
