/*
 * The work of passes over a text, counted in what they consist of: the estimates of time and memory before a run, and the cost model of docs/AMPQ.md.
 * What each takes is measured on the machine (`gainsEstimate.ts` in engine/evaluation), or follows from rates.
 */

export interface Work {
  /** Windows that go through one block, forward. */
  readonly windows: number;
  /** Times that the weights of one block are read into memory. */
  readonly loads: number;
  /** Windows that go from their last states to a divergence, through the whole output matrix. */
  readonly outputs: number;
}

/** Seconds of each. */
export interface WorkSeconds {
  readonly window: number;
  readonly load: number;
  readonly output: number;
}

export const secondsOf = (work: Work, each: WorkSeconds): number =>
  work.windows * each.window + work.loads * each.load + work.outputs * each.output;

/** States of the model that changes start from, and of the one that is rounded at each block; and those of the original, where it is another one. */
const baseStates = (isAround: boolean): number => (isAround ? 3 : 2);

/** States are one array of float32; those of Node.js have at most 2³² − 1 elements (bytes). */
const maxStates = 4 * (2 ** 32 - 1);

/**
 * Tensors whose states are carried through the model together.
 * @param stateBytes of all tokens once.
 * @param room for states (bytes).
 * @param isAround whether changes start from a changed model.
 */
export const tensorsPerPass = (stateBytes: number, room: number, isAround = false): number =>
  Math.max(1, Math.floor(Math.min(room, maxStates) / stateBytes) - baseStates(isAround));

/** A measurement of gains before it is made. */
export interface PlannedGains {
  readonly blocks: number;
  /** The block of each changed tensor in the order of the passes: −1 for the embedding, undefined for the output matrix. */
  readonly tensors: readonly (number | undefined)[];
  readonly windows: number;
  /** Of all tokens once (bytes). */
  readonly stateBytes: number;
  /** For states (bytes). */
  readonly room: number;
  /** Whether changes start from a changed model, whose own divergence is measured, too. */
  readonly isAround?: boolean;
}

export interface GainsWork extends Work {
  /** Times that the model is gone through. */
  readonly passes: number;
  /** Of states in memory (bytes). */
  readonly stateBytes: number;
}

/**
 * Each changed tensor goes through its own block and all that follow, and through the output matrix; the unchanged model and the rounded one go
 * through all of each pass, of which there is one at least. The weights of a block are read once for each of its tensors and once for all others.
 */
export function gainsWork(planned: PlannedGains): GainsWork {
  const { blocks, tensors, windows, stateBytes, room, isAround = false } = planned;
  const held = baseStates(isAround);
  const perPass = tensorsPerPass(stateBytes, room, isAround);
  const passes = Math.max(1, Math.ceil(tensors.length / perPass));
  const inBlocks = tensors.filter((block) => block !== undefined && block >= 0).length;
  const changed = tensors.reduce<number>(
    (sum, block) => sum + (block === undefined ? 0 : blocks - Math.max(0, block)),
    0,
  );
  return {
    windows: windows * (changed + passes * blocks * held),
    loads: inBlocks + passes * blocks,
    outputs: windows * (tensors.length + passes * (held - 1)),
    passes,
    stateBytes: stateBytes * (held + Math.min(tensors.length, perPass)),
  };
}

/**
 * What a backward pass takes, in forward passes: one to keep the states, and for each block its values again and two products for each of
 * their own.
 */
const backwardPasses = 4;

/** What the change of a matrix takes then, in forward passes: its product with gradients and inputs. */
const changePasses = 1;

/** Sets of states that a backward pass holds besides the inputs of blocks. */
const backwardStates = 3;

/** Gains of tensors of blocks by the curvature; the others are measured after the backward pass. */
export function curvatureWork(planned: PlannedGains): Omit<GainsWork, 'passes'> {
  const { blocks, windows, stateBytes, room } = planned;
  const tensors = planned.tensors.filter((block) => block === undefined || block < 0);
  const others = gainsWork({ ...planned, tensors });
  const backward = (blocks + backwardStates) * stateBytes;
  return {
    windows: others.windows + blocks * windows * (backwardPasses + changePasses),
    // On the way up and back, and for the changes as they are and changed.
    loads: others.loads + 4 * blocks,
    outputs: others.outputs + 2 * windows,
    // Where there is no room, states are in a file.
    stateBytes: Math.max(others.stateBytes, backward <= room ? backward : stateBytes),
  };
}

/** A pass that measures inputs, and with a backward pass gradients. */
export const evidenceWork = (blocks: number, windows: number, hasGradients: boolean): Work => ({
  windows: blocks * windows * (1 + (hasGradients ? backwardPasses : 0)),
  loads: blocks * (1 + (hasGradients ? 2 : 0)),
  outputs: hasGradients ? 2 * windows : 0,
});

/** What a step of a refinement takes, in forward passes over its windows: the way back takes twice as long as the forward pass. */
export const stepPasses = 3;
