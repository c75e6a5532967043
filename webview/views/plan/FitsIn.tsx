import { useState } from 'preact/hooks';
import { cacheTypes, type CacheType, type FittingBits } from '../../../src/protocol/fit';
import { useAsk } from '../../context';
import { Button, TextField } from '../../controls';
import { foundText, requestFrom } from '../../fitRequest';

/** Plans whose bits per weight differ by less have the size that was found. */
const sameSize = 0.01;

/**
 * Another budget: what the context and the buffers of llama.cpp leave of a memory. What they take is shown while the plan has that size.
 * @param props.budget bits per weight of the plan.
 */
export function FitsIn(props: { budget: number; move: (budget: number) => void; disabled: boolean }) {
  const { budget, move, disabled } = props;
  const ask = useAsk();
  const [memory, setMemory] = useState('');
  const [context, setContext] = useState('');
  const [cacheType, setCacheType] = useState<CacheType>('f16');
  const [found, setFound] = useState<FittingBits>();
  const request = requestFrom(memory, context, cacheType);
  const find = async (): Promise<void> => {
    setFound(undefined);
    if (!request) return;
    const answer = await ask('fitPlan', { request });
    if (!answer) return;
    setFound(answer);
    move(answer.bitsPerWeight);
  };
  return (
    <div
      class="dial"
      onKeyDown={(event) => {
        if (event.key === 'Enter') void find();
      }}
    >
      <span class="dial-label">Fits in</span>
      <TextField
        value={memory}
        label="Memory that llama.cpp may take"
        placeholder="8 GB"
        disabled={disabled}
        width="104px"
        onInput={setMemory}
      />
      <TextField
        value={context}
        label="Tokens of context"
        placeholder="8192 tokens"
        disabled={disabled}
        width="104px"
        onInput={setContext}
      />
      <select
        aria-label="Type of keys and values"
        disabled={disabled}
        value={cacheType}
        onChange={(event) => setCacheType(event.currentTarget.value as CacheType)}
      >
        {cacheTypes.map((type) => (
          <option key={type} value={type}>
            {type}
          </option>
        ))}
      </select>
      <Button disabled={disabled || !request} onClick={() => void find()}>
        Fit
      </Button>
      {found && Math.abs(found.bitsPerWeight - budget) < sameSize && (
        <p class="caption" role="status">
          {foundText(found)}
        </p>
      )}
    </div>
  );
}
