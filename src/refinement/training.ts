import { open, type FileHandle } from 'node:fs/promises';
import { isSealed, writeSealed } from '../files/sealedFile';
import type { States } from '../graph/transformer/states';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import type { TensorDescriptor } from '../protocol/model';
import type { TrainedParts } from '../protocol/refinement';
import { said } from '../protocol/said';
import type { AdamState } from '../native';
import type { AdamStep } from './adam';
import { requireFinite, stopped } from './finite';
import { trainerOf, type Trainer } from './trainers';

/** A tensor that is trained, and where its numbers are: its own, then Adam's two averages of each. */
interface Slot {
  readonly name: string;
  readonly trainer: Trainer;
  readonly first: number;
}

/** How a model's tensors are trained, and how many numbers that takes. */
export interface TrainingPlan {
  readonly slots: ReadonlyMap<string, Slot>;
  /** With Adam's averages. */
  readonly numbers: number;
}

/** What is trained of a GGUF model; tensors that no decoder reads stay as they are. */
export function planTraining(
  tensors: readonly TensorDescriptor[],
  parts: TrainedParts,
  isRead: (name: string) => boolean,
): TrainingPlan {
  const slots = new Map<string, Slot>();
  let numbers = 0;
  for (const tensor of tensors) {
    const trainer = isRead(tensor.name) ? trainerOf(tensor.dtype, tensor.shape, parts) : undefined;
    if (!trainer) continue;
    slots.set(tensor.name, { name: tensor.name, trainer, first: numbers });
    numbers += 3 * trainer.size;
  }
  return { slots, numbers };
}

/** Numbers that are read or written at a time. */
const chunk = 1 << 20;

/**
 * A GGUF file whose tensors are trained in place. It is a copy of the file at the start, which stays as it is. Adam's state is kept in `States`
 * of one column. Close it.
 */
export class Training {
  private constructor(
    private readonly plan: TrainingPlan,
    private readonly start: Model,
    private readonly file: FileHandle,
    private readonly working: Model,
    private readonly numbers: States,
  ) {}

  /**
   * @param start the file at the start.
   * @param working an open copy of it, which is changed.
   * @param room for so many numbers.
   */
  static async open(
    plan: TrainingPlan,
    start: Model,
    working: Model,
    room: (numbers: number) => States,
  ): Promise<Training> {
    const numbers = room(plan.numbers);
    let training: Training | undefined;
    try {
      const file = await open(working.description.path, 'r+');
      training = new Training(plan, start, file, working, numbers);
      await training.begin();
      return training;
    } catch (error) {
      await (training ? training.close() : numbers.close());
      throw error;
    }
  }

  /** Takes the numbers from the file at the start. */
  private async begin(): Promise<void> {
    for (const slot of this.plan.slots.values()) {
      const { first, trainer } = slot;
      this.numbers.write(first, await trainer.start(await this.startBytes(slot)));
      this.numbers.write(first + trainer.size, new Float32Array(2 * trainer.size));
    }
  }

  /** Whether a tensor is trained. */
  has(name: string): boolean {
    return this.plan.slots.has(name);
  }

  /** Moves a tensor against the gradient of its weights. @throws QuantscopeError REQUEST where numbers are not finite; the file stays as it is then. */
  async move(name: string, gradient: Float32Array, step: AdamStep): Promise<void> {
    const slot = this.plan.slots.get(name);
    if (!slot) return;
    const { trainer, first } = slot;
    const { size } = trainer;
    const part = (index: number): Float32Array => this.numbers.read(first + index * size, size);
    const state: AdamState = { values: part(0), first: part(1), second: part(2) };
    const tensor = this.working.tensor(name);
    const place = { file: this.start.description.path, tensor: name };
    requireFinite('Gradients of its weights', gradient, place);
    const bytes = await this.working.read(tensor, 0, tensor.byteLength);
    await trainer.move(state, bytes, gradient, step);
    requireFinite('Averages of squared gradients', state.second, place);
    await this.write(slot, state.values);
    this.numbers.write(first, state.values);
    this.numbers.write(first + size, state.first);
    this.numbers.write(first + 2 * size, state.second);
  }

  /** Keeps all numbers, or those that the file's bytes are made of, atomically and with a digest. */
  async save(file: string, which: 'all' | 'values'): Promise<void> {
    await writeSealed(file, async (append) => {
      for (const { first, count } of this.ranges(which)) await append(this.numbers.read(first, count));
    });
  }

  /** Whether a file is what was saved. Reads it whole. */
  async isWhole(file: string, which: 'all' | 'values'): Promise<boolean> {
    return (await this.useWhole(file, which, () => Promise.resolve(true))) === true;
  }

  /** Puts back what was saved. @returns whether the file was whole; nothing is changed otherwise. */
  async load(file: string, which: 'all' | 'values'): Promise<boolean> {
    const isRead = await this.useWhole(file, which, async (handle) => {
      let offset = 0;
      for (const { first, count } of this.ranges(which)) {
        const values = new Float32Array(count);
        await readWhole(handle, new Uint8Array(values.buffer), offset, file);
        this.numbers.write(first, values);
        offset += 4 * count;
      }
      return true;
    });
    if (!isRead) return false;
    for (const slot of this.plan.slots.values())
      await this.write(slot, this.numbers.read(slot.first, slot.trainer.size).slice());
    return true;
  }

  /** Undefined where the file is missing or damaged. */
  private async useWhole<T>(
    file: string,
    which: 'all' | 'values',
    use: (handle: FileHandle) => Promise<T>,
  ): Promise<T | undefined> {
    const handle = await open(file).catch(() => undefined);
    if (!handle) return undefined;
    try {
      const bytes = [...this.ranges(which)].reduce((sum, { count }) => sum + 4 * count, 0);
      return (await isSealed(handle, bytes).catch(() => false)) ? await use(handle) : undefined;
    } finally {
      await handle.close();
    }
  }

  async close(): Promise<void> {
    this.numbers.close();
    await this.file.close();
  }

  private async write(slot: Slot, values: Float32Array): Promise<void> {
    const place = { file: this.start.description.path, tensor: slot.name };
    requireFinite('Trained numbers', values, place);
    const bytes = await slot.trainer.encode(values, await this.startBytes(slot)).catch((error: unknown) => {
      throw error instanceof RangeError ? stopped(error.message, place) : error;
    });
    const { offset, file } = this.working.tensor(slot.name);
    try {
      for (let done = 0; done < bytes.length;)
        done += (await this.file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    } catch (cause) {
      const message = said`The file that is trained cannot be written: ${reason(cause)}`;
      throw new QuantscopeError('IO', message, { file, tensor: slot.name, offset }, cause);
    }
  }

  private startBytes({ name }: Slot): Promise<Uint8Array> {
    const tensor = this.start.tensor(name);
    return this.start.read(tensor, 0, tensor.byteLength);
  }

  private *ranges(which: 'all' | 'values'): Generator<{ readonly first: number; readonly count: number }> {
    for (const { first, trainer } of this.plan.slots.values()) {
      const end = first + (which === 'all' ? 3 : 1) * trainer.size;
      for (let at = first; at < end; at += chunk) yield { first: at, count: Math.min(chunk, end - at) };
    }
  }
}

async function readWhole(handle: FileHandle, target: Uint8Array, start: number, file: string): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await handle.read(target, done, target.length - done, start + done);
    if (bytesRead === 0)
      throw new QuantscopeError('IO', said`The kept state of a refinement ends early.`, {
        file,
        offset: start + done,
      });
    done += bytesRead;
  }
}
