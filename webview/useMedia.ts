import { useEffect, useState } from 'preact/hooks';

/** Below this width (CSS pixels), tree and page do not stand side by side. */
export const narrowQuery = '(max-width: 749px)';

/** Below this width (CSS pixels), the tabs are a list, as a row of them would leave no room for the running job. */
export const listedTabsQuery = '(max-width: 899px)';

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
