import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { MetadataEntry } from '../../src/protocol/model';
import { plural } from '../../src/protocol/words';
import { useApp } from '../context';

/** Elements and characters fetched per click. */
const moreElements = 200;
const moreCharacters = 20_000;

/** The part of a value fetched so far. */
interface Fetched {
  readonly items: readonly string[];
  readonly text: string;
  readonly isLoading: boolean;
  readonly failure?: string;
}

const nothing: Fetched = { items: [], text: '', isLoading: false };

/** A metadata value: all of it where it is short, else its beginning and, on demand, what follows. */
export function MetadataValue({ entry }: { entry: MetadataEntry }) {
  const { host } = useApp();
  const [fetched, setFetched] = useState(nothing);
  const { key, source, text, length, characters } = entry;
  const isNested = entry.type === 'array[array]';
  const isArray = length !== undefined && !isNested;
  const total = isArray ? length : (characters ?? text.length);
  const got = isArray ? fetched.items.length : fetched.text.length;
  const isCut = isArray ? text.endsWith(', …]') || characters !== undefined : characters !== undefined;
  const more = async (): Promise<void> => {
    setFetched({ ...fetched, isLoading: true });
    const count = isArray ? moreElements : moreCharacters;
    try {
      const slice = await host.call('metadata', { key, source, first: got, count });
      if (slice.kind === 'elements') setFetched({ ...nothing, items: [...fetched.items, ...slice.items] });
      else setFetched({ ...nothing, text: fetched.text + slice.text });
    } catch (error) {
      setFetched({
        ...fetched,
        isLoading: false,
        failure: error instanceof Error ? error.message : String(error),
      });
    }
  };
  if (!isCut) return <>{text}</>;
  const noun = isArray ? 'element' : 'character';
  return (
    <>
      {got === 0 && <>{text.replace(/(, …\])?$/, '…')} </>}
      {isArray && got > 0 && (
        <ol class="elements" start={0}>
          {fetched.items.map((item, i) => (
            <li key={i}>{item}</li>
          ))}
        </ol>
      )}
      {!isArray && got > 0 && <span class="long-text">{fetched.text}</span>}
      {fetched.failure !== undefined && (
        <span class="failed" role="alert">
          {fetched.failure}{' '}
        </span>
      )}
      {got < total && (
        <button class="link" disabled={fetched.isLoading} onClick={() => void more()}>
          {got === 0
            ? isArray
              ? l10n.t('Show elements')
              : l10n.t('Show characters')
            : l10n.t('Show more ({0} of {1})', got.toLocaleString('en-US'), plural(total, noun))}
        </button>
      )}
      {got > 0 && (
        <>
          {' '}
          <button class="link" onClick={() => setFetched(nothing)}>
            {l10n.t('Show less')}
          </button>
        </>
      )}
    </>
  );
}
