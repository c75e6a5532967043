import type { AtomicFile } from '../../files/atomicFile';
import type { DigestRecorder } from '../../files/digests/recorder';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { EngineProgress } from '../../protocol/engine';
import { said } from '../../protocol/said';
import type { Place } from './places';

/** Milliseconds between two reports. */
const interval = 100;

/** Reports bytes of tensors that were written, at most ten times a second. */
export class PlaceMeter {
  private readonly total: number;
  private done = 0;
  private begun = 0;
  private last = -Infinity;
  private message = '';
  private readonly start = performance.now();

  constructor(
    private readonly places: readonly Place[],
    private readonly report: ((progress: EngineProgress) => void) | undefined,
  ) {
    this.total = places.reduce((sum, place) => sum + bytesOfPlace(place), 0);
  }

  begin({ tensor }: Place): void {
    this.begun += 1;
    this.message = `tensor ${this.begun} of ${this.places.length}: ${tensor}`;
    this.advance(0);
  }

  advance(bytes: number): void {
    this.done += bytes;
    const now = performance.now();
    if (!this.report || (now - this.last < interval && this.done < this.total)) return;
    this.last = now;
    const { message, done, total } = this;
    const secondsLeft = ((now - this.start) / 1000) * (total / done - 1);
    this.report({
      ...{ message, done, total, unit: 'bytes' },
      ...(Number.isFinite(secondsLeft) ? { secondsLeft } : {}),
    });
  }
}

const bytesOfPlace = ({ parts }: Place): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);

interface PlaceTarget {
  readonly file: AtomicFile;
  readonly digests: DigestRecorder;
  /** Offsets of the tensors inside the graph. */
  readonly gaps: ReadonlyMap<string, number>;
}

/**
 * Writes the tensors of a place, and their digests.
 * @throws QuantscopeError INTERNAL for more or fewer bytes than were planned, and as what fills the place.
 */
export async function fillPlace(
  { file, digests, gaps }: PlaceTarget,
  place: Place,
  meter: PlaceMeter,
  signal: AbortSignal | undefined,
): Promise<void> {
  let written = 0;
  const parts = place.parts.map(({ name, type, dims, bytes, offset = gaps.get(name)! }) => {
    const record = digests.tensor({ name, dtype: type, shape: dims, offset, bytes });
    return { offset, record };
  });
  await place.fill(async (index, offset, bytes) => {
    throwIfCancelled(signal);
    const part = place.parts[index]!;
    if (offset + bytes.length > part.bytes)
      throw new QuantscopeError('INTERNAL', said`${part.name} has ${part.bytes} bytes; more were written.`);
    const { offset: start, record } = parts[index]!;
    record(offset, bytes);
    await file.writeAt(start + offset, bytes);
    written += bytes.length;
    meter.advance(bytes.length);
  }, signal);
  const expected = bytesOfPlace(place);
  if (written !== expected)
    throw new QuantscopeError('INTERNAL', said`${written} of ${expected} bytes were written.`);
}

/** An error with the tensor that it is about. */
export function inTensor(cause: unknown, file: string, tensor: string): unknown {
  if (cause instanceof RangeError)
    return new QuantscopeError('MODEL_FILE', cause.message, { file, tensor }, cause);
  if (!(cause instanceof QuantscopeError) || Object.keys(cause.place).length > 0) return cause;
  if (cause.code === 'CANCELLED') return cause;
  return new QuantscopeError(cause.code, cause.message, { file, tensor }, cause);
}
