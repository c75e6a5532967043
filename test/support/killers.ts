/** Modules for `node --require` that end the process with SIGKILL while it changes files. */

/** Before the rename or removal number `KILL_AT` (from 0) of a path that begins with `KILL_IN`. */
export const killAtChange = `
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
let left = Number(process.env.KILL_AT);
for (const name of ['rename', 'rm']) {
  const real = fs.promises[name];
  fs.promises[name] = (...args) => {
    if (String(args[0]).startsWith(process.env.KILL_IN) && --left < 0) process.kill(process.pid, 'SIGKILL');
    return real(...args);
  };
}
syncBuiltinESMExports();
`;

/** Before something is renamed to the path. */
export const killAtRenameTo = (path: string): string => `
const fs = require('node:fs');
const { rename } = fs.promises;
fs.promises.rename = (from, to) => {
  if (to === ${JSON.stringify(path)}) process.kill(process.pid, 'SIGKILL');
  return rename(from, to);
};
require('node:module').syncBuiltinESMExports();
`;
