/** Which model a request is about. */
export interface ModelRef {
  /** A file, an index of shards, or a folder, absolute. One file of a larger model identifies the whole model. */
  readonly path: string;
  /** Opens only that file, not the model that it is part of. */
  readonly alone?: boolean;
  /** Compares everything that is read of its files with the digests that were written with them. */
  readonly checked?: boolean;
  /** Low-rank adapters that are merged into the model's weights, in this order. */
  readonly adapters?: readonly AdapterRef[];
}

/** An adapter of PEFT, and how much of its change is merged. */
export interface AdapterRef {
  /** Its folder, or a file in it, absolute. */
  readonly path: string;
  /** What its change is multiplied by: a finite number, 1 for the adapter as it was trained. */
  readonly weight: number;
}

/** A model as its files' names describe it. */
export interface LocatedModel {
  /** The file that identifies the whole model: its index, else its first file. Absolute. */
  readonly file: string;
  /** Absolute. */
  readonly folder: string;
  readonly name: string;
  /** The files of its weights, those that are missing included; absolute. */
  readonly files: readonly string[];
}

/** One tensor as the header of a model file describes it. Nothing here needs the tensor's data. */
export interface TensorDescriptor {
  /** Name exactly as the file spells it; in PyTorch files the keys of nested dictionaries, joined by dots. */
  readonly name: string;
  /** Dtype exactly as the file spells it for safetensors ("BF16"), that name for PyTorch too, or the ggml type's name ("Q4_K"). */
  readonly dtype: string;
  /** Outermost dimension first: a linear layer is `[out, in]`, whatever order the file stores. */
  readonly shape: readonly number[];
  /** Number of weights (the product of the shape; 1 for a scalar). */
  readonly elements: number;
  /** Absolute path of the file that holds the data. */
  readonly file: string;
  /** Absolute byte offset of the data in `file`; of its first part where it is stored in several. */
  readonly offset: number;
  /** Size of the data in bytes, of all parts together. */
  readonly byteLength: number;
  /**
   * Set where the elements are not stored in their order (a transposed matrix, a view): the distance of neighbours in each dimension, in
   * elements. Reads give the elements in their order.
   */
  readonly strides?: readonly number[];
  /** False when the file or bytes of it are missing, or the dtype cannot be decoded. */
  readonly readable: boolean;
  /** Why it cannot be read, when it cannot. */
  readonly unreadableReason?: string;
  /** Missing bytes past the end of the file, after an interrupted download. */
  readonly missingBytes?: number;
  /** Set where a layout decodes the weights from parts; `dtype` says how they are stored, their data reads as float32. */
  readonly stored?: StoredWeight;
}

/** How a weight is stored in several tensors of its files. */
export interface StoredWeight {
  /** Id of the layout. */
  readonly layout: string;
  /** What its decoder must know besides the parts. */
  readonly variant?: string;
  /** What its library rounds decoded weights to; float32 when absent. */
  readonly rounding?: 'F16' | 'BF16';
  /** The ggml type whose blocks hold the same codes and scales, where there is one. */
  readonly blocks?: 'MXFP4' | 'NVFP4';
  /** Set where decoded blocks are to be multiplied by one factor, which GGUF files have in a tensor of its own. */
  readonly hasFactor?: true;
  /** Set where reads give these blocks, or their factor, instead of float32 weights. */
  readonly reads?: 'blocks' | 'factor';
  readonly parts: readonly StoredPart[];
}

/** A tensor of a file that holds part of a weight. */
export interface StoredPart extends Pick<
  TensorDescriptor,
  'name' | 'dtype' | 'shape' | 'file' | 'offset' | 'byteLength' | 'strides'
> {
  /** What the layout keeps in it: "codes", "scales". */
  readonly role: string;
}

/** What a metadata value looks like to a reader; long arrays are cut. */
export interface MetadataEntry {
  readonly key: string;
  /** Type as the format names it: "string", "u32", "array[string]", "json". */
  readonly type: string;
  /** Value as text, at most a few hundred characters. */
  readonly text: string;
  /** Number of elements for an array. */
  readonly length?: number;
  /** Number of characters of the whole text, where `text` is cut. */
  readonly characters?: number;
  /** Where it comes from: the file's base name ("config.json", "model.gguf"). */
  readonly source: string;
}

/** Asks for part of a metadata value. */
export interface MetadataSliceParams {
  /** As the entry has them. */
  readonly key: string;
  readonly source: string;
  /** First element of an array, or first character of a text. */
  readonly first: number;
  readonly count: number;
}

/** Elements of an array as texts, or characters of a text; fewer than asked for at the end or above the limits. */
export type MetadataSlice =
  | { readonly kind: 'elements'; readonly items: readonly string[]; readonly total: number }
  | { readonly kind: 'characters'; readonly text: string; readonly total: number };

/** A file that a model is made of, as it was when it was opened. */
export interface ModelFileIdentity {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** SHA-256 of the header (of the whole file for an index and config.json), hexadecimal. */
  readonly headerHash: string;
  /** SHA-256 of samples of the weights; absent for files that hold none. Equal layouts of other weights differ in it. */
  readonly contentHash?: string;
}

export type ModelFormat = 'safetensors' | 'pytorch' | 'gguf';

/**
 * A class or function that a pickle asks Python for: loading the file without restrictions would import it and could run any code.
 * Quantscope runs nothing of it.
 */
export interface Danger {
  /** Absolute path of the file. */
  readonly file: string;
  /** As the pickle spells it: "os.system", "__builtin__.eval". */
  readonly name: string;
  /** Where the pickle first names it: byte offset in the file. */
  readonly offset: number;
  /** Calls of it, shortened, those of its results included: `os.system("id")`. */
  readonly calls: readonly string[];
}

/** The file that was opened, where it is one of several that make up a model. */
export interface ModelPart {
  /** Base name of the file. */
  readonly file: string;
  /** Which of the files it is, counted from 1. */
  readonly number: number;
  /** How many files the model has, those that are missing included. */
  readonly count: number;
  /** Whether the description is about this file only. */
  readonly alone: boolean;
}

/** The layout that a library stored quantized weights in (GPTQ, bitsandbytes NF4…). */
export interface QuantizedLayout {
  readonly name: string;
  /** Weight matrices that are stored so. */
  readonly tensors: number;
  /** The tensors of the first of them: names, dtypes and shapes. */
  readonly example: string;
  /** What it must have to be decoded; absent where the layout is not decoded at all. */
  readonly expected?: string;
  /** How to get plain weights, as part of a sentence. */
  readonly advice?: string;
}

/** What cannot be done with a model, and why, as far as headers and configuration tell; each reason is one or more sentences. */
export interface ModelLimits {
  /** Why it cannot be written as GGUF. Then it cannot be run either. */
  readonly gguf?: string;
  /** Why it cannot be run over a text: no evaluation, no importance matrix, sensitivity by the weights alone. */
  readonly run?: string;
  /** It embeds texts, so that it can be evaluated with pairs of them. */
  readonly embeds?: true;
  /** Why it cannot be written as one ONNX graph, where it can be run. */
  readonly onnx?: string;
}

/** A whole model: one file, all shards of a safetensors model, or all parts of a split GGUF. */
export interface ModelDescription {
  /** The path that was opened (file, index or folder), absolute. */
  readonly path: string;
  /** Folder of its files, absolute: that of the link where a file is opened through one. */
  readonly folder: string;
  /** Display name of the model: `general.name`, else the name of its folder, or of a file with a specific name. */
  readonly name: string;
  /** Present when `path` is one file of a larger model. */
  readonly part?: ModelPart;
  readonly format: ModelFormat;
  /** GGUF version (2 or 3). */
  readonly version?: number;
  /** Architecture: `general.architecture` or config.json `model_type`; undefined when neither says. */
  readonly architecture?: string;
  readonly files: readonly ModelFileIdentity[];
  /** Files that hold weights: how many there are, and how many the model has. `parameters` is not the total while some are missing. */
  readonly weightFiles: { readonly present: number; readonly total: number };
  /** Base names of shards and parts that the model has and the folder lacks. */
  readonly missingFiles: readonly string[];
  readonly tensors: readonly TensorDescriptor[];
  /** Present when tensors are codes and scales rather than weights. GGUF has its own types instead. */
  readonly quantizedLayout?: QuantizedLayout;
  readonly metadata: readonly MetadataEntry[];
  /** Sum of `elements`: of the tensors whose shape is known; tied tensors of PyTorch files count once. */
  readonly parameters: number;
  /** Sum of the tensors' `byteLength`, likewise. */
  readonly dataBytes: number;
  /** Bytes missing according to the headers, after interrupted downloads. */
  readonly missingBytes: number;
  /** What was chosen or left out that the user should know, as sentences. */
  readonly notes: readonly string[];
  /** Irregularities that do not prevent reading, as sentences. */
  readonly warnings: readonly string[];
  /** What the files would have Python run; absent where there is nothing. */
  readonly dangers?: readonly Danger[];
}
