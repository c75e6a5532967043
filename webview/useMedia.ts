import { useEffect, useState } from 'preact/hooks';

/** Below this width (CSS pixels), tree and page do not stand side by side, and the tabs are a list. */
export const narrowQuery = '(max-width: 749px)';

/** Whether a media query holds; the component re-renders when that changes. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const update = (): void => setMatches(media.matches);
    update();
    media.addEventListener('change', update);
    return () => media.removeEventListener('change', update);
  }, [query]);
  return matches;
}
