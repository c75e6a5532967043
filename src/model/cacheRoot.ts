import { homedir } from 'node:os';
import { join } from 'node:path';

/** Root of what is kept between runs: `$QUANTSCOPE_CACHE`, else `quantscope` in the user's cache folder. */
export function cacheRoot(): string {
  const { QUANTSCOPE_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return own ?? join(shared ?? join(homedir(), '.cache'), 'quantscope');
}
