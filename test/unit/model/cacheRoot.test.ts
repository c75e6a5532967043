import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cacheRoot } from '../../../src/model/cacheRoot';

const home = resolve('/home/someone');

function rootWith(environment: Readonly<Record<string, string>>): string | undefined {
  for (const name of ['QUANTSCOPE_CACHE', 'XDG_CACHE_HOME', 'HOME', 'USERPROFILE'])
    vi.stubEnv(name, environment[name] ?? (name === 'HOME' || name === 'USERPROFILE' ? home : undefined));
  return cacheRoot();
}

describe('the root of the cache', () => {
  afterEach(() => void vi.unstubAllEnvs());

  it('is what the variable of this program names, made absolute', () => {
    const absolute = resolve('/data/cache');
    expect(rootWith({ QUANTSCOPE_CACHE: absolute, XDG_CACHE_HOME: home })).toBe(absolute);
    expect(rootWith({ QUANTSCOPE_CACHE: join('own', 'cache') })).toBe(resolve('own', 'cache'));
  });

  it('is in the cache folder of the user, which must be absolute to count', () => {
    const fallback = join(home, '.cache', 'quantscope');
    expect(rootWith({ XDG_CACHE_HOME: resolve('/data') })).toBe(join(resolve('/data'), 'quantscope'));
    expect(rootWith({ XDG_CACHE_HOME: 'data' })).toBe(fallback);
    expect(rootWith({ QUANTSCOPE_CACHE: '', XDG_CACHE_HOME: '' })).toBe(fallback);
  });
});
