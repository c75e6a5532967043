/** What estimates of time assume, on a usual processor. */

/** Weights of a second that are read, rounded, measured and written. */
export const weightsPerSecond = 60e6;

/** Multiplications of a second in the inner loops of the solvers in the addon. */
export const productsPerSecond = 4e9;
