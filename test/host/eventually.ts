/**
 * Waits until something is there, and returns it.
 * @param what for the error of one that never is.
 * @param find undefined or false while it is not there. @param limit ms.
 */
export async function eventually<T>(
  what: string,
  find: () => Promise<T | undefined | false> | T | undefined | false,
  limit = 120_000,
): Promise<T> {
  const end = Date.now() + limit;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`It never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
