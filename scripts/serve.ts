import { startVsCodeServer } from '../test/support/vscodeServer';

/** Serves VS Code with the extension loaded, until interrupted: `serve FOLDER EXTENSION`. */
const [folder = '.', extensionPath = '.'] = process.argv.slice(2);
const server = await startVsCodeServer({ folder, extensionPath });
console.log(`\nVS Code with Quantscope is open at\n\n  ${server.url}\n\nPress Ctrl-C to stop.`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void server.close().then(() => process.exit(0)));
}
