import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Compiles the plain loops with all that a compiler does by itself. @returns the program. */
export function compilePlainLoop(folder: string): string {
  const program = join(folder, 'plainLoop');
  const source = join('test', 'bench', 'optimised', 'plainLoop.cc');
  execFileSync('g++', ['-O3', '-march=native', '-ffast-math', '-std=c++20', '-o', program, source]);
  return program;
}

export interface PlainResult {
  /** Seconds of processor time. */
  readonly factor: number;
  readonly rows: number;
  readonly decoded: Float32Array;
}

/** Quantizes a matrix `[rows, columns]` to Q4_K by the plain loops, in a process of its own. */
export function runPlainLoop(
  program: string,
  folder: string,
  weights: Float32Array,
  hessian: Float64Array,
  rounds: number,
): PlainResult {
  const columns = Math.round(Math.sqrt(hessian.length));
  const files = ['weights', 'hessian', 'decoded'].map((name) => join(folder, name));
  writeFileSync(files[0]!, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength));
  writeFileSync(files[1]!, new Uint8Array(hessian.buffer, hessian.byteOffset, hessian.byteLength));
  const sizes = [weights.length / columns, columns, rounds].map(String);
  const times = JSON.parse(execFileSync(program, [...sizes, ...files], { encoding: 'utf8' })) as Omit<
    PlainResult,
    'decoded'
  >;
  const { buffer } = new Uint8Array(readFileSync(files[2]!));
  return { ...times, decoded: new Float32Array(buffer) };
}

/** tr(D·H·Dᵀ) / tr(W·H·Wᵀ) of the first rows. */
export function outputError(
  weights: Float32Array,
  decoded: Float32Array,
  hessian: Float64Array,
  rows: number,
): number {
  const columns = Math.round(Math.sqrt(hessian.length));
  const squares = (value: (index: number) => number): number => {
    let sum = 0;
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < columns; i++) {
        const left = value(row * columns + i);
        for (let j = 0; j < columns; j++) sum += left * hessian[i * columns + j]! * value(row * columns + j);
      }
    return sum;
  };
  return squares((at) => weights[at]! - decoded[at]!) / squares((at) => weights[at]!);
}
