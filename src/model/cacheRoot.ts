import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Root of what is kept between runs, absolute: `$QUANTSCOPE_CACHE`, else `quantscope` in the user's cache folder. Undefined where the
 * user has no home directory: then nothing is kept.
 * @see https://specifications.freedesktop.org/basedir-spec (a relative $XDG_CACHE_HOME is ignored)
 */
export function cacheRoot(): string | undefined {
  const { QUANTSCOPE_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  if (own) return resolve(own);
  if (shared && isAbsolute(shared)) return join(shared, 'quantscope');
  const home = homeFolder();
  return home === undefined ? undefined : resolve(home, '.cache', 'quantscope');
}

function homeFolder(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined; // no $HOME, and the user is not in the system's list
  }
}
