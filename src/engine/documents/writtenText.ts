import { JsonDocument } from '../../model/jsonDocument';

/**
 * The text that was read last, which is most often the one that is being written: of it only what changed is parsed again. Others are not kept, as a
 * tree takes some ten times the memory of its text.
 */
export class WrittenText {
  private file: string | undefined;
  private json = new JsonDocument('');

  /** @returns a document that the next call changes. */
  of(file: string, text: string): JsonDocument {
    if (this.file === file) this.json.update(text);
    else this.json = new JsonDocument(text);
    this.file = file;
    return this.json;
  }
}
