import { manifestPath } from '../../src/files/digests/manifest';

/** Names of files of weights, each with its list of digests. */
export const withDigests = (...names: readonly string[]): string[] =>
  names.flatMap((name) => [name, manifestPath(name)]);
