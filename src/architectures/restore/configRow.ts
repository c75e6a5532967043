import type { GgufFacts } from './ggufFacts';
import type { Fields } from './ropeFields';

/** How the config.json of a class follows from a GGUF file. */
export interface ConfigRow {
  /** Class that is written as `architectures`; its description says the rest. */
  readonly className: string;
  /** `general.architecture`, where several descriptions have the class. */
  readonly architecture?: string;
  /** Whether the file can be of the class, where others have the same architecture in GGUF. */
  fits?(facts: GgufFacts): boolean;
  /** Fields besides those that every config.json has. */
  fields(facts: GgufFacts): Fields;
  /** What the names of tensors begin with, heads aside; the shortest prefix of the description when absent. */
  readonly prefix?: string;
  /** Set where checkpoints of the class have experts fused, as rules have them "instead". */
  readonly isFused?: true;
  /** A tensor whose first rows no result depends on and no file has. */
  readonly unused?: string;
}
