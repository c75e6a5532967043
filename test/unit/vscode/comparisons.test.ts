import { describe, expect, it } from 'vitest';
import type { ComparisonState, ModelComparisonState } from '../../../src/protocol/editorState';
import type { EngineProgress } from '../../../src/protocol/engine';
import { Comparisons } from '../../../src/vscode/comparisons';
import { FakeEngine, settle } from '../../support/fakeHost';

function setUp() {
  const [engine, life] = [new FakeEngine(), new AbortController()];
  const tensors: ComparisonState[] = [];
  const models: ModelComparisonState[] = [];
  const progress: EngineProgress[] = [];
  const comparisons = new Comparisons(
    () => ({ path: '/m.gguf', alone: true }),
    engine,
    {
      comparison: (state) => tensors.push(state),
      modelComparison: (state) => models.push(state),
      modelProgress: (step) => progress.push(step),
    },
    life.signal,
  );
  return { engine, life, tensors, models, progress, comparisons };
}

const asked = { tensors: ['a', 'b'], formats: ['Q4_K', 'Q8_0'] };
const model = { path: '/m.gguf', alone: true };

describe('tensors in formats', () => {
  it('are compared one after the other, and shown as they come', async () => {
    const { engine, tensors, comparisons } = setUp();
    const comparing = comparisons.compare(asked.tensors, asked.formats);
    await engine.last('tensor/compare').answer('of a');
    await engine.last('tensor/compare').answer('of b');
    const end = { ...asked, results: ['of a', 'of b'], done: true };
    expect(await comparing).toEqual(end);
    expect(tensors).toEqual([
      { ...asked, results: [], done: false },
      { ...asked, results: ['of a'], done: false },
      { ...asked, results: ['of a', 'of b'], done: false },
      end,
    ]);
    expect(engine.of('tensor/compare').map(({ params }) => params)).toEqual(
      asked.tensors.map((tensor) => ({ ...model, tensor, formats: asked.formats })),
    );
    expect(comparisons.current).toEqual({ comparison: end });
  });

  it('keep the results before an error', async () => {
    const { engine, comparisons } = setUp();
    const comparing = comparisons.compare(asked.tensors, asked.formats);
    await engine.last('tensor/compare').answer('of a');
    await engine.last('tensor/compare').fail('MODEL_FILE', 'It is torn.');
    const end = { ...asked, results: ['of a'], done: true, error: 'It is torn.' };
    expect([await comparing, comparisons.current.comparison]).toEqual([end, end]);
  });
});

describe('a model against another', () => {
  it('shows its progress, then its result', async () => {
    const { engine, models, progress: steps, comparisons } = setUp();
    const comparing = comparisons.compareWith('/other.gguf', 'Comparison with other.gguf');
    const call = engine.last('model/compare');
    const { params, options } = call;
    expect([params, options.title]).toEqual([
      { ...model, other: '/other.gguf' },
      'Comparison with other.gguf',
    ]);
    const progress = { message: '', done: 1, total: 2 };
    options.onProgress!(progress);
    expect(comparisons.current).toEqual({ modelComparison: { other: '/other.gguf', progress } });
    await call.answer('differences');
    const end = { other: '/other.gguf', result: 'differences' };
    expect([models, steps]).toEqual([[{ other: '/other.gguf' }, end], [progress]]);
    expect([await comparing, comparisons.current.modelComparison]).toEqual([end, end]);
  });

  it('that fails says why', async () => {
    const { engine, models, comparisons } = setUp();
    const comparing = comparisons.compareWith('/other.gguf', 'x');
    await engine.last('model/compare').fail('REQUEST', 'They have no tensor in common.');
    await comparing;
    expect(models.at(-1)).toEqual({ other: '/other.gguf', error: 'They have no tensor in common.' });
  });

  it('gives way to a later one, and not to a comparison of tensors', async () => {
    const { engine, models, comparisons } = setUp();
    const first = comparisons.compareWith('/first.gguf', 'x');
    void comparisons.compare(asked.tensors, asked.formats);
    const { options } = engine.last('model/compare');
    expect(options.signal!.aborted).toBe(false);
    void comparisons.compareWith('/second.gguf', 'x');
    expect(options.signal!.aborted).toBe(true);
    options.onProgress!({ message: '', done: 1, total: 2 });
    expect((await first).error).toBe('The request was cancelled.');
    expect(models).toEqual([{ other: '/first.gguf' }, { other: '/second.gguf' }]);
    expect(engine.of('tensor/compare').map((call) => call.options.signal!.aborted)).toEqual([false]);
  });
});

describe('a third model', () => {
  it('joins a comparison, which keeps its result', async () => {
    const { engine, models, comparisons } = setUp();
    const adapters = [{ path: '/adapter', weight: 0.5 }];
    const comparing = comparisons.compareWith('/other.gguf', 'x', adapters);
    const compared = { other: '/other.gguf', otherAdapters: adapters };
    expect(engine.last('model/compare').params).toEqual({ ...model, ...compared });
    await engine.last('model/compare').answer('differences');
    await comparing;
    const joining = comparisons.compareThird('/third.gguf', 'with a third');
    const call = engine.last('model/compareThree');
    expect([call.params, call.options.title]).toEqual([
      { ...model, ...compared, third: '/third.gguf' },
      'with a third',
    ]);
    call.options.onProgress!({ message: '', done: 1, total: 2 });
    await call.answer('which is closer');
    const known = { ...compared, result: 'differences', third: '/third.gguf' };
    expect(await joining).toEqual({ ...known, three: 'which is closer' });
    expect(models.slice(-2)).toEqual([known, { ...known, three: 'which is closer' }]);
  });

  it('is refused without a comparison', async () => {
    const { engine, comparisons } = setUp();
    await expect(comparisons.compareThird('/third.gguf', 'x')).rejects.toThrow(/no comparison yet/);
    expect(engine.calls).toEqual([]);
  });
});

describe('both', () => {
  it('are kept side by side, and end and go when the model changes', async () => {
    const { engine, tensors, models, comparisons } = setUp();
    const work = [
      comparisons.compare(asked.tensors, asked.formats),
      comparisons.compareWith('/other.gguf', 'x'),
    ];
    expect(comparisons.current).toEqual({
      comparison: { ...asked, results: [], done: false },
      modelComparison: { other: '/other.gguf' },
    });
    comparisons.reset();
    await Promise.all(work);
    expect(engine.calls.map(({ options }) => options.signal!.aborted)).toEqual([true, true]);
    expect([comparisons.current, tensors.length, models.length]).toEqual([{}, 1, 1]);
  });

  it('end with the model', async () => {
    const { engine, life, tensors, models, comparisons } = setUp();
    const work = [comparisons.compare(['a'], ['Q4_K']), comparisons.compareWith('/other.gguf', 'x')];
    life.abort();
    await Promise.all(work);
    await settle();
    expect(engine.calls.map(({ options }) => options.signal!.aborted)).toEqual([true, true]);
    expect([tensors.length, models.length]).toEqual([1, 1]);
  });
});
