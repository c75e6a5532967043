import { QuantscopeError } from '../model/errors';
import type { RunFailure } from '../protocol/runFailure';
import { messageOf } from './host';

export function failureOf(error: unknown): RunFailure {
  const code = error instanceof QuantscopeError ? error.code : 'INTERNAL';
  if (code === 'CANCELLED') return { kind: 'cancelled' };
  return { kind: code === 'ENGINE_DIED' ? 'engine-died' : 'failed', message: messageOf(error) };
}
