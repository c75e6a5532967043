import { availableParallelism } from 'node:os';

/*
 * What estimates of time assume: seconds of one core, as measured on an AMD EPYC with AVX2 and AVX-512 (docs/BENCHMARKS.md). Another machine takes two
 * or three times as long or half of it; which of two methods takes longer does not depend on it.
 */

/** A weight that is rounded to a grid. */
export const roundedWeight = 9e-9;

/** A weight whose range is searched for by the errors of several roundings. */
export const searchedWeight = 95e-9;

/** A weight whose scale and range are searched for by the outputs that it gives for sampled inputs (512 of them). */
export const sampledWeight = 750e-9;

/** A weight of a ggml type whose scales are searched for by weighted errors, and measured. */
export const blockWeight = 220e-9;

/** A weight of a lattice type, whose points are searched for with eight weights at a time, in each pass over all columns. */
export const latticeWeight = 420e-9;

/** A weight whose code and scales are improved by errors on both sides of the matrix, in each pass over all columns. */
export const twoSidedWeight = 50e-9;

/** A weight whose code and scales are improved by a Hessian of its row. */
export const ownWeight = 3e-6;

/** A multiplication and addition of the solvers. */
export const product = 2e-11;

/** The factor of a Hessian of so many columns. */
export const factorSeconds = (columns: number): number => 1e-11 * columns ** 3;

/** Seconds of work that one core does while the others wait, as so many of all cores. */
export const onOneCore = (seconds: number): number => seconds * availableParallelism();

/** Seconds on this machine for so many of one core: methods and encoders work on all cores. */
export const elapsed = (coreSeconds: number): number => coreSeconds / availableParallelism();
