import type { Estimate } from './estimate';
import type { EvaluationSettings, WeightVariant } from './evaluation';
import type { ModelRef } from './model';
import type { Device } from './plan';

/** How well a model that embeds texts finds the document of each query. */
export interface EmbeddingParams
  extends
    ModelRef,
    Pick<WeightVariant, 'planFile' | 'type' | 'format'>,
    Pick<EvaluationSettings, 'imatrix' | 'device'> {
  /** Pairs of texts, JSONL: {"query", "document"}. */
  readonly pairs: string;
  /** Folder where evidence for plans with optimised codes is kept. */
  readonly cacheDir: string;
  readonly threads?: number;
}

/** Each query is compared with all documents of the file; equal cosines count against the model. */
export interface Retrieval {
  /** Share of queries whose own document has the largest cosine, or one of the ten largest. */
  readonly first: Estimate;
  readonly amongTen: Estimate;
  /** Mean of 1 / rank of the own document. */
  readonly reciprocalRank: Estimate;
}

export interface EmbeddingResult {
  readonly model: { readonly name: string; readonly path: string };
  /** "original", "Q4_K_M", "tiny.ampq.json". */
  readonly variant: string;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly pairs: number;
  /** Different documents, and different texts in all. */
  readonly documents: number;
  readonly texts: number;
  /** Texts of which only the first tokens were embedded, and how many that are. */
  readonly cut: number;
  readonly longest: number;
  readonly pooling: string;
  readonly retrieval: Retrieval;
  /** Of a variant: what the original gives, and how far from it the variant is. */
  readonly original?: {
    readonly retrieval: Retrieval;
    /** Cosine of the variant's and the original's embedding of a text, over all texts. */
    readonly cosine: Estimate;
    readonly leastCosine: number;
    /** Share of queries that have the same first document. */
    readonly sameFirst: Estimate;
  };
  readonly seconds: number;
  readonly device: Device;
  readonly deviceLabel: string;
}
