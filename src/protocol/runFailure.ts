/** How a run ended that has no result. */
export type RunFailure =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'engine-died'; readonly message: string };
