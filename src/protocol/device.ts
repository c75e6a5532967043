/** `cuda` and `webgpu` are ONNX Runtime's providers, `ort-cpu` its CPU provider (for checks), `cpu` the native addon. */
export type Device = 'cuda' | 'webgpu' | 'ort-cpu' | 'cpu';
export type DeviceChoice = Device | 'auto';

export interface DeviceReport {
  readonly chosen: Device;
  /** "NVIDIA H200", "native addon, AVX-512": what the status bar shows. */
  readonly label: string;
  /** Faster devices that were tried or ruled out, with the reason, in order of preference. */
  readonly refused: readonly { readonly device: Device; readonly reason: string }[];
}
