/** A description of a checkpoint's architecture as a start: what was recognised, and what was not. */
export interface ScaffoldedModel {
  /** A TypeScript file for the folder of descriptions. */
  readonly text: string;
  /** `general.architecture` of the closest description. */
  readonly nearest: string | undefined;
  /** Names in GGUF of the parts that were recognised, by their names in the checkpoint. */
  readonly recognised: Readonly<Record<string, string>>;
  /** Parts that were not: name, shape and in how many blocks. */
  readonly unknown: readonly string[];
  /** Keys of config.json that no description reads. */
  readonly unread: readonly string[];
}
