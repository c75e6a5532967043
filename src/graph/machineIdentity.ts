import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir, hostname, release } from 'node:os';
import { delimiter, join } from 'node:path';
import type { RuntimePackage } from './runtimeLibraries';

/** Environment variables that decide which driver or GPU a provider gets, or whether its verdict is accepted. */
const variables: readonly string[] = [
  'QUANTSCOPE_ALLOW_SOFTWARE_GPU',
  ...['LD_LIBRARY_PATH', 'LD_PRELOAD'],
  ...['CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES'],
  ...['VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'VK_ADD_DRIVER_FILES', 'VK_INSTANCE_LAYERS'],
  ...['VK_LOADER_DRIVERS_SELECT', 'VK_LOADER_DRIVERS_DISABLE', 'MESA_VK_DEVICE_SELECT', 'DRI_PRIME'],
];

/** Environment variables that name a driver's files. */
const driverVariables = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES'] as const;

/** Sizes and times of the files and folders that change when a driver is installed, updated or removed. */
const driverStamps: Readonly<Partial<Record<NodeJS.Platform, () => string[]>>> = {
  linux: () =>
    [
      ...[
        '/etc/ld.so.cache',
        '/etc/vulkan/icd.d',
        '/usr/share/vulkan/icd.d',
        '/usr/local/share/vulkan/icd.d',
      ],
      join(homedir(), '.local', 'share', 'vulkan', 'icd.d'),
    ].flatMap(stamps),
  // Drivers are folders in this one, thousands of them.
  win32: () => [
    stamp(join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32/DriverStore/FileRepository')),
  ],
};

/** Device files, which get new times at every start of the system: only their presence counts. */
const deviceFiles = ['/dev/nvidiactl', '/dev/dxg', '/dev/dri/renderD128', '/dev/dri/renderD129'] as const;

/**
 * What a verdict on a device depends on, as one digest: the runtime and its libraries, this program, the machine, its
 * drivers, and the environment.
 */
export function machineIdentity(device: string, runtime: RuntimePackage, program: string): string {
  const named = driverVariables.flatMap((name) => (process.env[name] ?? '').split(delimiter).filter(Boolean));
  const facts = {
    ...{ device, version: runtime.version, host: hostname(), system: release(), arch: process.arch },
    program: stamp(program),
    libraries: stamps(runtime.libraries),
    nvidia: textOf('/proc/driver/nvidia/version'),
    devices: deviceFiles.filter((file) => existsSync(file)),
    drivers: [...(driverStamps[process.platform]?.() ?? []), ...named.map(stamp)],
    environment: variables.map((name) => process.env[name] ?? null),
  };
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

/** A file, or a folder and what is in it. */
function stamps(place: string): string[] {
  try {
    return [
      stamp(place),
      ...readdirSync(place)
        .sort()
        .map((name) => stamp(join(place, name))),
    ];
  } catch {
    return [stamp(place)]; // a file, or absent
  }
}

function stamp(place: string): string {
  const found = statSync(place, { throwIfNoEntry: false });
  return `${place} ${found ? `${found.size} ${found.mtimeMs}` : 'absent'}`;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // no such driver
  }
}
