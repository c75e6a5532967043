import { fstatSync, writeSync } from 'node:fs';

/**
 * Writes all of a text to an output of the process. Node's stream of a regular file (`quantscope … > FILE`) does not look at how much of a text
 * a full disk took: the rest would be missing without an error.
 * @throws the error of the operating system, for a file that does not take all of it.
 */
export function writeWhole(output: NodeJS.WritableStream & { readonly fd?: number }, text: string): void {
  const { fd } = output;
  if (fd === undefined || !fstatSync(fd).isFile()) {
    output.write(text);
    return;
  }
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}
