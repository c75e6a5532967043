/** A device that models run on, by what its maker publishes. */
export interface Machine {
  readonly name: string;
  /** Memory that a model can take, bytes. */
  readonly memory: number;
  /** Bytes per second. */
  readonly bandwidth: number;
}

const gibi = 2 ** 30;
const giga = 1e9;

/** @param memory GiB. @param bandwidth GB/s. @param share of the memory that a model can take. */
const machine = (name: string, memory: number, bandwidth: number, share = 1): Machine => ({
  name,
  memory: memory * gibi * share,
  bandwidth: bandwidth * giga,
});

/** What macOS lets its GPU take of the memory: two thirds of a small one, three quarters of others (`iogpu.wired_limit_mb` changes it). */
const mac = (name: string, memory: number, bandwidth: number): Machine =>
  machine(`${name}, ${memory} GiB`, memory, bandwidth, memory <= 32 ? 2 / 3 : 3 / 4);

/** Devices by kind, the smallest memory first; what makers call GB of memory are GiB. Memory and bandwidth are those of the makers' data sheets. */
export const machines: readonly Machine[] = [
  machine('Raspberry Pi 5, 8 GiB', 8, 17.1),
  machine('Jetson Orin Nano Super, 8 GiB', 8, 102),
  mac('MacBook Air M2', 8, 100),
  mac('MacBook Air M4', 16, 120),
  machine('GeForce RTX 4060, 8 GiB', 8, 272),
  machine('GeForce RTX 3060, 12 GiB', 12, 360),
  machine('Arc B580, 12 GiB', 12, 456),
  machine('GeForce RTX 4070, 12 GiB', 12, 504),
  machine('GeForce RTX 5060 Ti, 16 GiB', 16, 448),
  machine('GeForce RTX 5070 Ti, 16 GiB', 16, 896),
  machine('GeForce RTX 5080, 16 GiB', 16, 960),
  mac('Mac mini M4 Pro', 24, 273),
  machine('Desktop, 32 GiB DDR5-5600 (2 channels)', 32, 89.6),
  machine('Radeon RX 7900 XTX, 24 GiB', 24, 960),
  machine('GeForce RTX 3090, 24 GiB', 24, 936),
  machine('GeForce RTX 4090, 24 GiB', 24, 1008),
  machine('NVIDIA L4, 24 GiB', 24, 300),
  mac('MacBook Pro M4 Max', 36, 410),
  machine('GeForce RTX 5090, 32 GiB', 32, 1792),
  machine('NVIDIA L40S, 48 GiB', 48, 864),
  mac('MacBook Pro M4 Max', 64, 546),
  machine('NVIDIA A100, 80 GiB', 80, 2039),
  machine('NVIDIA H100 SXM, 80 GiB', 80, 3350),
  machine('Ryzen AI Max+ 395, 128 GiB', 128, 256, 3 / 4),
  machine('NVIDIA DGX Spark, 128 GiB', 128, 273),
  mac('MacBook Pro M4 Max', 128, 546),
  machine('NVIDIA H200, 140 GiB', 140, 4800),
  mac('Mac Studio M2 Ultra', 192, 800),
  machine('AMD Instinct MI300X, 192 GiB', 192, 5300),
  mac('Mac Studio M3 Ultra', 512, 819),
];
