import { basename, dirname } from 'node:path';
import { withoutEnding } from './fileKind';
import { hubFolder } from './remote/address';

/** Names that tools give to every model's files: they say nothing about the model. */
const generic =
  /^(model|pytorch_model|diffusion_pytorch_model|consolidated|adapter_model|tf_model|weights)$/i;

/** `-00001-of-00003` before the ending. */
export const numberedName = /^(.*)-(\d+)-of-(\d+)(\.[^.]+)$/;

/**
 * What people call a model that does not state its name: the name of a file if it is distinctive, else of its folder.
 * @param folder absolute path of the folder of the model's files.
 * @param file base name of one of them, or of the model's own folder.
 */
export function nameFromPath(folder: string, file: string): string {
  const hub = hubFolder(`${folder}/${file}`);
  if (hub?.inside === '') return basename(hub.model); // the last part is a revision: "main"
  const base = withoutEnding(file.replace(numberedName, '$1$4'));
  const family = base.split('.')[0] ?? base;
  return generic.test(family) || base === '' ? folderName(folder) : base;
}

/** That of a model on the Hugging Face Hub, and folder `models--OWNER--NAME/snapshots/REVISION` of its cache, are named after the model. */
export function folderName(folder: string): string {
  const hub = hubFolder(folder);
  if (hub?.inside === '') return basename(hub.model);
  const cached = /^models--.*?--(.+)$/.exec(basename(dirname(dirname(folder))))?.[1];
  if (basename(dirname(folder)) === 'snapshots' && cached !== undefined) return cached;
  return basename(folder) || folder;
}

/** Of the file that describes a checkpoint. */
export const usualConfigName = 'config.json';
