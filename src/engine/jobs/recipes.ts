import { QuantscopeError } from '../../model/errors';
import type { Job } from '../job';

const absent = (): Promise<never> =>
  Promise.reject(new QuantscopeError('UNSUPPORTED', 'There are no recipes in this version.'));

/** What recipes can be made of. */
export const recipesJob = (): Job<'recipes/list'> => absent;
/** A recipe file, checked. */
export const readRecipeJob = (): Job<'recipes/read'> => absent;
/** Dry run. */
export const previewQuantizeJob = (): Job<'model/quantizePreview'> => absent;
export const quantizeModelJob = (): Job<'model/quantize'> => absent;
