import type { RegionMap, TensorRegion } from '../../src/protocol/analysis';
import { useApp } from '../context';
import { useAnswer, type Answer } from '../useAnswer';

/** The content of a region; the previous one stays until the next has loaded. Nothing without a region. */
export function useRegion(tensor: string, region: TensorRegion | undefined): Answer<RegionMap> {
  const { host } = useApp();
  const key = region && JSON.stringify([tensor, region]);
  return useAnswer(key, (signal) => host.call('region', { tensor, region: region! }, { signal }));
}
