// Completes a prompt with node-llama-cpp, greedily, and prints {"text": …} as one line of JSON.
// usage: echo '{"entry": "…/index.js", "model": "…", "prompt": "…", "tokens": 40}' | node nodeLlamaCppChild.mjs
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { entry, model: modelPath, prompt, tokens } = JSON.parse(readFileSync(0, 'utf8'));
const { getLlama, LlamaCompletion } = await import(pathToFileURL(entry).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error' });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 256, threads: 1 });
const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
const text = await completion.generateCompletion(prompt, { maxTokens: tokens, temperature: 0 });
process.stdout.write(`${JSON.stringify({ text })}\n`);
process.exit(0);
