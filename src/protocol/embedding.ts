import type { Estimate } from './estimate';

/** Each query is compared with all documents of the file; equal cosines count against the model. */
export interface Retrieval {
  /** Share of queries whose own document has the largest cosine, or one of the ten largest. */
  readonly first: Estimate;
  readonly amongTen: Estimate;
  /** Mean of 1 / rank of the own document. */
  readonly reciprocalRank: Estimate;
}

/** How well a model that embeds texts finds the document of each query. */
export interface PairsResult {
  /** Pairs of texts, JSONL: {"query", "document"}. */
  readonly file: string;
  /** SHA-256 of the tokens of all texts and of which belong together: results of the same value can be compared. */
  readonly hash: string;
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
}
