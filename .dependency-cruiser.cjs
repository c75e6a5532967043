// The layers of src/, lowest first (docs/ARCHITECTURE.md). A layer imports only itself and lower ones.
const layers = [
  'model',
  'files',
  'architectures',
  'tokenizer',
  'quant',
  'adapters',
  'layouts',
  'recipes',
  'analysis',
  'graph',
  'evaluation',
  'ampq',
  'refinement',
  'exporter',
  'doctor',
  'engine',
  'tools',
  'cli',
];
const upward = layers.slice(0, -1).map((layer, index) => ({
  name: `${layer}-imports-no-higher-layer`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^src/(${layers.slice(index + 1).join('|')}|vscode)/` },
}));

module.exports = {
  forbidden: [
    ...upward,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'protocol-imports-nothing',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { pathNot: '^src/protocol/|^node_modules/@vscode/l10n/' },
    },
    {
      name: 'webview-imports-only-protocol',
      severity: 'error',
      from: { path: '^webview/' },
      to: { path: '^src/', pathNot: '^src/protocol/' },
    },
    {
      name: 'webview-has-no-node',
      severity: 'error',
      from: { path: '^webview/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-vscode-folder-imports-vscode',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(vscode/|extension\\.ts)' },
      to: { path: '^vscode$' },
    },
    {
      name: 'vscode-stays-thin',
      severity: 'error',
      from: { path: '^src/(vscode/|extension\\.ts)' },
      to: {
        path: '^src/',
        pathNot: '^src/(vscode/|protocol/|model/|files/|ampq/|exporter/plan|engine/client|tools/)',
      },
    },
    {
      // They serve the extension host, too: what they know of models comes from requests.
      name: 'tools-stay-thin',
      severity: 'error',
      from: { path: '^src/tools/' },
      to: { path: '^src/', pathNot: '^src/(tools|protocol|model|files)/|^src/ampq/planFile\\.ts$' },
    },
    {
      name: 'tools-and-their-server-are-loaded-when-needed',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(tools|cli/mcp)/' },
      to: { path: '^src/(tools|cli/mcp)/', dependencyTypesNot: ['type-only', 'dynamic-import'] },
    },
    {
      name: 'the-supervisor-starts-at-once',
      severity: 'error',
      from: { path: '^src/cli/(main|supervise)\\.ts$' },
      to: { path: '^src/', pathNot: '^src/cli/supervise\\.ts$' },
    },
    {
      name: 'native-imports-only-protocol-and-model',
      severity: 'error',
      from: { path: '^src/native(\\.ts|/)' },
      to: { path: '^src/', pathNot: '^src/(protocol|model|native)/' },
    },
    {
      name: 'native-has-one-entrance',
      severity: 'error',
      from: { path: '^(src|webview)/', pathNot: '^src/native(\\.ts|/)' },
      to: { path: '^src/native/' },
    },
    {
      name: 'native-is-for-quant-analysis-exporter',
      severity: 'error',
      from: { path: '^src/(protocol|model|files|architectures|tokenizer|vscode|cli)/' },
      to: { path: '^src/native(\\.ts|/)', dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|build)/' },
  },
};
