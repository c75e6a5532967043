import { QuantscopeError } from '../model/errors';
import { messageOf } from './host';

/** How a run ended that has no result. */
export type RunFailure =
  { readonly kind: 'cancelled' } | { readonly kind: 'failed' | 'engine-died'; readonly message: string };

export function failureOf(error: unknown): RunFailure {
  const code = error instanceof QuantscopeError ? error.code : 'INTERNAL';
  if (code === 'CANCELLED') return { kind: 'cancelled' };
  return { kind: code === 'ENGINE_DIED' ? 'engine-died' : 'failed', message: messageOf(error) };
}
