import { constants, copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { filesUnder } from '../../files/atomicFolder';
import { makeFolder } from '../../files/makeFolder';
import { librariesPath, packagePath } from '../../graph/gpuRuntime';
import type { RuntimePackage } from '../../graph/runtimeLibraries';

/** A file of ONNX Runtime that its copy needs. */
export interface CopiedFile {
  readonly from: string;
  /** Path in the folder of the GPU runtime. */
  readonly to: string;
  readonly bytes: number;
}

/** Files that are loaded: scripts, the descriptions that lead to them, native libraries. */
const loaded = /(^|[\\/])package\.json$|\.(js|node)$|\.so(\.\d+)*$/;

/** The files that make the package loadable from another place: its scripts and this platform's libraries. */
export async function filesOfRuntime({ folder }: RuntimePackage): Promise<readonly CopiedFile[]> {
  const common = packageOf(createRequire(join(folder, 'package.json')).resolve('onnxruntime-common'));
  const commonPath = join(dirname(packagePath), 'onnxruntime-common');
  const parts = [
    { root: folder, at: packagePath, keep: ['package.json', 'dist', librariesPath] },
    { root: common, at: commonPath, keep: ['package.json', join('dist', 'cjs')] },
  ];
  const files: CopiedFile[] = [];
  for (const { root, at, keep } of parts) {
    for (const [name, bytes] of await filesUnder(root)) {
      if (loaded.test(name) && keep.some((path) => name.startsWith(path)))
        files.push({ from: join(root, name), to: join(at, name), bytes });
    }
  }
  return files;
}

/** Copies, where the file system supports it without taking space. */
export async function copyRuntime(files: readonly CopiedFile[], folder: string): Promise<void> {
  for (const { from, to } of files) {
    await makeFolder(dirname(join(folder, to)));
    await copyFile(from, join(folder, to), constants.COPYFILE_FICLONE);
  }
}

/** Folder of the package of a script in its `dist/cjs`. */
const packageOf = (entry: string): string => dirname(dirname(dirname(entry)));
