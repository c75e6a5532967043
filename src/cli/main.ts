import { fileURLToPath } from 'node:url';
import { supervise } from './supervise';

/** The program that runs the commands lies next to this one, which loads nothing of it and so starts at once. */
const worker = fileURLToPath(new URL('command.mjs', import.meta.url));

// Work does not end because nobody reads what it tells (`quantscope … 2>&1 | head`, a closed terminal).
process.stderr.on('error', () => undefined);
process.exit(await supervise(worker, process.argv.slice(2)));
