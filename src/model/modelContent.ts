import type { ModelDescription } from '../protocol/model';
import type { ByteSource } from './byteSource';
import type { QuantscopeError } from './errors';
import type { GgufFile } from './gguf';
import type { SentenceModule } from './sentenceModules';

/** Opens a file once; the model closes it. */
export type OpenSource = (file: string) => Promise<ByteSource>;

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
