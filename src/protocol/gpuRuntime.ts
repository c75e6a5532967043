/** Whether there are CUDA libraries of ONNX Runtime for a machine. */
export const hasGpuRuntime = ({ platform, arch }: { platform: string; arch: string }): boolean =>
  platform === 'linux' && arch === 'x64';

/** The GPU runtime of this machine: ONNX Runtime's CUDA libraries, which are installed apart from the extension. */
export interface GpuRuntimeStatus {
  /** Why there is none for this machine; absent where there is. */
  unsupported?: string;
  /** Version of ONNX Runtime that this program uses; the libraries must have the same version. */
  version: string;
  /** Folder where it is, or would be, installed. */
  folder: string;
  state: 'absent' | 'damaged' | 'installed';
  /** Bytes on disk, of all versions that are installed. */
  bytes: number;
  /** What is damaged, or which libraries of CUDA and cuDNN this machine lacks. */
  problem?: string;
}

/** What an installation would fetch; shown before anything is fetched. */
export interface GpuRuntimeOffer {
  /** Index of the package source. */
  source: string;
  packageId: string;
  version: string;
  /** Location of the package. */
  url: string;
  downloadBytes: number;
  /** SHA-512 that the download must have, base64. */
  sha512: string;
  /** Bytes on disk afterwards. */
  diskBytes: number;
  folder: string;
  /** The same for display: a question, and the facts, one per line. */
  question: string;
  detail: string;
}
