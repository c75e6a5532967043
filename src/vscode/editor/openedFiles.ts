import { basename } from 'node:path';
import type { LocatedModel, ModelPart } from '../../protocol/model';

/** What an editor was opened with. */
export interface OpenedFiles {
  readonly opened: string;
  /** The file that identifies the whole model. */
  readonly whole: string;
  /** Present where `opened` is one of several files of the model. */
  readonly part?: Omit<ModelPart, 'alone'>;
}

/** @param model undefined where the file belongs to none: it opens alone, and its error is shown. */
export function openedFiles(opened: string, model: LocatedModel | undefined): OpenedFiles {
  if (!model) return { opened, whole: opened };
  const number = model.files.indexOf(opened) + 1;
  const count = model.files.length;
  const isPart = number > 0 && count > 1;
  return {
    ...{ opened, whole: model.file },
    ...(isPart ? { part: { file: basename(opened), number, count } } : {}),
  };
}
