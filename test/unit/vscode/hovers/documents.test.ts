import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nameAt } from '../../../../src/vscode/hovers/documents/nameAt';
import { hasSharedData, sharedData } from '../../../support/files';

/** What the place marked by ¦ names, as "syntax: text". */
function named(language: string, marked: string, file = 'file'): string | undefined {
  const offset = marked.indexOf('¦');
  const text = marked.replace('¦', '');
  const place = nameAt(language, text, offset, file);
  return place && `${place.query.syntax}: ${place.query.text}`;
}

/** The part of the document that a place covers. */
function covered(language: string, marked: string, file = 'file'): string | undefined {
  const text = marked.replace('¦', '');
  const place = nameAt(language, text, marked.indexOf('¦'), file);
  return place && text.slice(place.start, place.end);
}

type Case = readonly [document: string, expected: string | undefined];

describe('names in JSON', () => {
  const config = (text: string): string => `{"quantization_config": {${text}}}`;
  it.each<Case>([
    ['{"weight_map": {"model.norm.we¦ight": "model-1.safetensors"}}', 'name: model.norm.weight'],
    ['{"weight_map": {"lm_he¦ad": "model-1.safetensors"}}', 'name: lm_head'],
    [config('"modules_to_not_convert": ["lm_¦head"]'), 'module: lm_head'],
    [config('"llm_int8_skip_modules": ["model.emb¦ed"]'), 'module: model.embed'],
    [config('"ignore": ["re:.*mlp.ga¦te$"]'), 'start: .*mlp.gate$'],
    [config('"config_groups": {"group_0": {"targets": ["re:.*q¦_proj"]}}'), 'start: .*q_proj'],
    [
      config('"modules_in_block_to_quantize": [["self_attn.q_proj"], ["mlp.¦up_proj"]]'),
      'module: mlp.up_proj',
    ],
    [config('"dynamic": {"-:.*\\\\.down¦_proj.*": {}}'), 'start: .*\\.down_proj.*'],
    [config('"extra_config": {"model.layers.0.mlp¦": {"bits": 8}}'), 'module: model.layers.0.mlp'],
    [config('"exclude_modules": ["model.layers.*.self_¦attn*"]'), 'wildcard: model.layers.*.self_attn*'],
    ['{"ignore": ["sr¦c"]}', undefined],
    ['{"model_type": "lla¦ma"}', undefined],
    ['{"files": "./src/**/*.t¦s"}', undefined],
  ])('%s', (document, expected) => {
    expect(named('json', document)).toBe(expected);
  });

  it('are those of plans and recipes in their files', () => {
    const plan = '{"constraints": [{"tensors": "attn_¦v"}]}';
    expect(named('json', plan, 'x.ampq.json')).toBe('exported: attn_v');
    expect(named('json', plan, 'x.json')).toBeUndefined();
    expect(named('json', '{"rules": [{"match": "mlp¦"}]}', 'my-recipe.json')).toBe('search: mlp');
    expect(named('json', '{"skip": ["lm_head¦"]}', 'my-recipe.json')).toBe('module: lm_head');
    expect(named('json', '{"modules_in_block_to_quantize": ["mlp.u¦p"]}', 'quantize_config.json')).toBe(
      'module: mlp.up',
    );
  });

  it('are found in a line of a document alone', () => {
    const line = '    "model.layers.3.mlp.do¦wn_proj.weight": "model-00001-of-00002.safetensors",';
    expect(named('json', line)).toBe('name: model.layers.3.mlp.down_proj.weight');
    expect(covered('json', line)).toBe('model.layers.3.mlp.down_proj.weight');
  });

  it.skipIf(!hasSharedData)('are those of real configurations', () => {
    const text = readFileSync(join(sharedData, 'index', 'molmo7b-bnb-nf4', 'config.json'), 'utf8');
    const at = text.indexOf('vision_backbone');
    expect(nameAt('json', text, at + 2, 'config.json')?.query).toEqual({
      text: 'model.vision_backbone',
      syntax: 'module',
    });
  });
});

describe('names in Python', () => {
  it.each<Case>([
    ['w = state["model.layers.3.mlp¦.weight"]', 'name: model.layers.3.mlp.weight'],
    ['BitsAndBytesConfig(llm_int8_skip_modules=["lm_¦head"])', 'module: lm_head'],
    ['transformers.AwqConfig(bits=4, modules_to_not_convert=["vis¦ual"])', 'module: visual'],
    ['GPTQConfig(modules_in_block_to_quantize=[["self_attn.k¦_proj"]])', 'module: self_attn.k_proj'],
    ['GPTQModifier(targets="Linear", ignore=["re:.*lm_¦head"])', 'start: .*lm_head'],
    ['QuantizationModifier(ignore=["lm_h¦ead"])', 'module: lm_head'],
    ['shutil.copytree(a, b, ignore=["lm_h¦ead"])', undefined],
    ['QuantizeConfig(dynamic={r"-:.*\\.gate¦": {}})', 'start: .*\\.gate'],
    ['layer_config = {"lm_h¦ead": {"bits": 16}}', 'module: lm_head'],
    ['layer_config = {"lm_head": {"bi¦ts": 16}}', undefined],
    ['config.modules_to_not_convert = ["lm_h¦ead"]', 'module: lm_head'],
    ['LoraConfig(target_modules=r".*\\.(q|v)_p¦roj")', 'whole: .*\\.(q|v)_proj'],
    ['LoraConfig(target_modules=["q_p¦roj", "v_proj"])', 'module: q_proj'],
    ['AutoRound(model, ignore_layers="lm_head,mlp.g¦ate")', 'module: mlp.gate'],
    ['re.compile("model\\\\.layers\\\\.¦[0-9]+")', 'search: model\\.layers\\.[0-9]+'],
    ['subprocess.run(["llama-quantize", "--tensor-type", "attn_¦v=q8_0"])', 'tensor-type: attn_v'],
    ['# model.layers.0.mlp.up¦_proj is large', 'name: model.layers.0.mlp.up_proj'],
    ['x = f"model.layers.{i}.ml¦p"', undefined],
    ['x = b"model.lay¦ers.0"', 'name: model.layers.0'],
    ['print("some wo¦rds")', undefined],
  ])('%s', (document, expected) => {
    expect(named('python', document)).toBe(expected);
  });

  it('cover the text between the quotes, or the part of a list', () => {
    expect(covered('python', 'x = ("model.layers.0." \n r"model.norm.w¦eight")')).toBe('model.norm.weight');
    expect(covered('python', 'AutoRound(ignore_layers="lm_head,mlp.g¦ate")')).toBe('mlp.gate');
    expect(covered('python', 'x = """model.norm.w¦eight"""')).toBe('model.norm.weight');
  });

  it('are found in sources that are being typed', () => {
    expect(named('python', 'c = BitsAndBytesConfig(llm_int8_skip_modules=["lm_¦head", ')).toBe(
      'module: lm_head',
    );
  });
});

describe('names in YAML', () => {
  const recipe = (text: string): string =>
    `quant_stage:\n  quant_modifiers:\n    GPTQModifier:\n      ${text}\n`;
  it.each<Case>([
    [recipe('ignore: ["lm_h¦ead"]'), 'module: lm_head'],
    [recipe("targets: 're:.*q_p¦roj$'"), 'start: .*q_proj$'],
    [recipe('mappings:\n        - [["re:.*q_p¦roj"], "re:.*norm"]'), 'start: .*q_proj'],
    [recipe('mappings:\n        - smooth_layer: re:.*input¦_layernorm'), 'start: .*input_layernorm'],
    [
      'merge_method: slerp\nparameters:\n  t:\n    - filter: self_¦attn\n      value: 1',
      'contains: self_attn',
    ],
    ['merge_method: slerp\nparameters:\n  t:\n    - filter: "*¦"\n      value: 1', undefined],
    ['on:\n  push:\n    filter: self_¦attn', undefined],
    ['layer_config:\n  model.layers.0.mlp¦:\n    bits: 8', 'module: model.layers.0.mlp'],
    ['fp_layers: lm_h¦ead', 'module: lm_head'],
    ['skip:\n  - model.no¦rm.weight', 'name: model.norm.weight'],
    ['# as model.no¦rm.weight', 'name: model.norm.weight'],
    ['a: 1\n---\nlayer_config:\n  lm_h¦ead: {bits: 8}', 'module: lm_head'],
    ['image: [unclosed, "model.no¦rm"', 'name: model.norm'],
  ])('%s', (document, expected) => {
    expect(named('yaml', document)).toBe(expected);
  });
});

describe('names in scripts and Markdown', () => {
  it.each<Case>([
    ['llama-quantize --tensor-type attn_¦v=q8_0 in.gguf out.gguf Q4_K_M', 'tensor-type: attn_v'],
    [
      'llama-quantize --tensor-type "blk\\.[0-9]+\\.ffn_d¦own=q6_k" in.gguf',
      'tensor-type: blk\\.[0-9]+\\.ffn_down',
    ],
    ['llama-quantize --tensor-type=attn¦_k=q8_0', 'tensor-type: attn_k'],
    ['llama-quantize \\\n  --tensor-type \\\n  ffn_g¦ate=q5_k \\\n  x.gguf', 'tensor-type: ffn_gate'],
    ['llama-quantize --tensor-type attn_v=q8¦_0 in.gguf', undefined],
    ['llama-server -ot "exps=CPU,attn¦=CUDA0"', 'exported: attn'],
    ['auto-round --fp_layers lm_head,mlp.ga¦te', 'module: mlp.gate'],
    ['echo attn_¦v=q8_0', undefined],
  ])('%s', (document, expected) => {
    expect(named('shellscript', document)).toBe(expected);
    expect(named('markdown', `Run \`${document}\` first.`)).toBe(expected);
  });

  it('are dotted words elsewhere: whether a model has such a name, the engine says', () => {
    expect(named('markdown', 'The matrix blk.3.ffn¦_down is large.')).toBe('name: blk.3.ffn_down');
    expect(named('markdown', 'The end.¦ Next')).toBeUndefined();
  });
});
