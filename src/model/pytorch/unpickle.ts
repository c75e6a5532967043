import type { Dangers } from './dangers';
import { Machine } from './machine';
import { opcodes, stop } from './opcodes';
import { PickleBytes } from './pickleBytes';
import type { PickleValue, Storage } from './values';
import { said } from '../../protocol/said';

/** A pickle that was read. */
export interface Pickle {
  readonly value: PickleValue;
  /** Bytes of it. */
  readonly length: number;
  /** All storages that it refers to, by their keys. */
  readonly storages: ReadonlyMap<string, Storage>;
}

/**
 * Reads one pickle without running anything: classes and functions that it names are either known here (tensors, storages, plain
 * containers) or recorded in `dangers` and replaced by stand-ins.
 * @param base offset of the bytes in the file.
 * @throws QuantscopeError MODEL_FILE naming file and offset, with the dangers found so far; PickleEnds when the bytes end first.
 */
export function unpickle(bytes: Uint8Array, file: string, base: number, dangers: Dangers): Pickle {
  const input = new PickleBytes(bytes, file, base, dangers);
  const machine = new Machine(input, dangers);
  for (let code = machine.nextOpcode(); code !== stop; code = machine.nextOpcode()) {
    const run = opcodes.get(code);
    if (!run) throw machine.fail(said`0x${code.toString(16).padStart(2, '0')} is not an opcode of a pickle.`);
    run(machine);
  }
  return { value: machine.pop(), length: input.consumed, storages: machine.storages };
}
