import type { InferenceSession } from 'onnxruntime-node';
import { createSession, floatsOf, loadRuntime } from '../../src/graph/session';

export interface Values {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type Feeds = Readonly<Record<string, Values>>;

/** A graph on the CPU, ready to run. Close it. */
export class RunnableGraph {
  private constructor(private readonly session: InferenceSession) {}

  static async open(bytes: Uint8Array): Promise<RunnableGraph> {
    return new RunnableGraph(await createSession('ort-cpu', bytes));
  }

  async run(feeds: Feeds): Promise<Record<string, Values>> {
    const { Tensor } = loadRuntime();
    const inputs = Object.entries(feeds)
      .filter(([name]) => this.session.inputNames.includes(name))
      .map(([name, { dims, data }]) => [name, new Tensor('float32', data, [...dims])] as const);
    const outputs = await this.session.run(Object.fromEntries(inputs));
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [
        name,
        { dims: tensor.dims, data: floatsOf(tensor).slice() },
      ]),
    );
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * The derivative at 0 by central differences, extrapolated once (Richardson): the error of the step h is of order h⁴ of the function's
 * fifth derivative, so that a step of 1/20 is small enough, and large enough for values in float32: what they round is divided by it.
 */
export async function derivative(f: (step: number) => Promise<number>, step = 0.05): Promise<number> {
  const difference = async (h: number): Promise<number> => ((await f(h)) - (await f(-h))) / (2 * h);
  return (4 * (await difference(step / 2)) - (await difference(step))) / 3;
}

/** The values moved along a direction. */
export const moved = ({ dims, data }: Values, direction: ArrayLike<number>, step: number): Values => ({
  dims,
  data: data.map((value, i) => value + step * direction[i]!),
});
