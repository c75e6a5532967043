import { MetadataView } from '../MetadataView';

/** What the model is, and what its files say of it. */
export function ModelView() {
  return <MetadataView />;
}
