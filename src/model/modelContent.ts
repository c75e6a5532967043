import type { ModelDescription } from '../protocol/model';
import type { QuantscopeError } from './errors';
import type { GgufFile } from './gguf';
import type { SentenceModule } from './sentenceModules';

/** What the files of a model say. */
export interface ModelContent extends Omit<
  ModelDescription,
  'path' | 'folder' | 'version' | 'parameters' | 'dataBytes' | 'missingBytes'
> {
  readonly config?: Record<string, unknown>;
  readonly configProblem?: QuantscopeError;
  readonly modules?: readonly SentenceModule[];
  readonly modulesProblem?: QuantscopeError;
  readonly gguf?: GgufFile;
}

/** `__metadata__` of safetensors files, by their paths. */
export type FileMetadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;
