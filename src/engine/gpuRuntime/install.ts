import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureFreeSpace } from '../../exporter/diskSpace';
import { filesUnder, makeFolderAtomically, removeFolder, removeIfEmpty } from '../../files/atomicFolder';
import {
  gpuRuntimeFolder,
  gpuRuntimeRoot,
  gpuRuntimeVersions,
  librariesPath,
  packagePath,
  recordName,
  type GpuRuntimeRecord,
} from '../../graph/gpuRuntime';
import type { RuntimePackage } from '../../graph/runtimeLibraries';
import { throwIfCancelled } from '../../model/errors';
import { downloadPackage, type DownloadOptions } from './download';
import type { PackageFacts } from './nuget';
import { copyRuntime, filesOfRuntime } from './runtimeCopy';
import { unpack } from './unpack';

/**
 * Downloads the package and puts its libraries next to a copy of the runtime, which looks for providers in its own folder. The
 * folder is made atomically; those of other versions are removed.
 * @throws QuantscopeError IO when it cannot be downloaded or saved; CANCELLED.
 */
export async function installGpuRuntime(
  facts: PackageFacts,
  libraries: readonly string[],
  runtime: RuntimePackage,
  options: DownloadOptions,
): Promise<void> {
  const target = gpuRuntimeFolder(runtime.version);
  const onDisk = await diskBytes(facts, libraries, runtime);
  await ensureFreeSpace(gpuRuntimeRoot(), facts.bytes + onDisk, 'The installation');
  await makeFolderAtomically(target, async (folder) => {
    const archive = join(folder, 'package.zip');
    await downloadPackage(facts, archive, options);
    await copyRuntime(await filesOfRuntime(runtime), folder);
    await unpack(archive, libraries, join(folder, packagePath, librariesPath), options);
    await rm(archive);
    await writeRecord(folder, runtime.version, facts.sha512);
    throwIfCancelled(options.signal);
  });
  await removeVersions(gpuRuntimeVersions().filter((version) => version !== runtime.version));
}

/** Bytes on disk once it is installed; libraries whose size the source does not state are not counted. */
export async function diskBytes(
  { entries }: PackageFacts,
  libraries: readonly string[],
  runtime: RuntimePackage,
): Promise<number> {
  const copied = (await filesOfRuntime(runtime)).map(({ bytes }) => bytes);
  const added = libraries.map((library) => entries.get(library) ?? 0);
  return [...copied, ...added].reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes of all installed versions. */
export async function installedBytes(): Promise<number> {
  const sizes = await Promise.all(
    gpuRuntimeVersions().map((version) => filesUnder(gpuRuntimeFolder(version))),
  );
  return sizes.flatMap((files) => [...files.values()]).reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes everything that was installed. @throws QuantscopeError IO when the file system does not allow it. */
export async function removeGpuRuntime(): Promise<void> {
  const versions = gpuRuntimeVersions();
  if (versions.length === 0) return;
  await removeVersions(versions);
  await removeIfEmpty(gpuRuntimeRoot());
}

async function removeVersions(versions: readonly string[]): Promise<void> {
  for (const version of versions) await removeFolder(gpuRuntimeFolder(version));
}

async function writeRecord(folder: string, version: string, sha512: string): Promise<void> {
  const files = Object.fromEntries(await filesUnder(folder));
  const record: GpuRuntimeRecord = { version, sha512, files };
  await writeFile(join(folder, recordName), `${JSON.stringify(record, null, 2)}\n`);
}
