interface Values {
  readonly values: Float32Array;
}

/** Two streams of equally many numbers, cut the same way. */
export async function* together(
  a: AsyncGenerator<Values>,
  b: AsyncGenerator<Values>,
): AsyncGenerator<[Float32Array, Float32Array]> {
  let left: Float32Array = new Float32Array(0);
  let right: Float32Array = new Float32Array(0);
  try {
    for (;;) {
      if (left.length === 0) left = await nextOf(a);
      if (right.length === 0) right = await nextOf(b);
      const count = Math.min(left.length, right.length);
      if (count === 0) return;
      yield [left.subarray(0, count), right.subarray(0, count)];
      [left, right] = [left.subarray(count), right.subarray(count)];
    }
  } finally {
    await a.return(undefined);
    await b.return(undefined);
  }
}

async function nextOf(stream: AsyncGenerator<Values>): Promise<Float32Array> {
  const step = (await stream.next()) as IteratorResult<Values, void>;
  return step.done ? new Float32Array(0) : step.value.values;
}
