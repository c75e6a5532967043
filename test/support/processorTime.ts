/** Starts to count the processor time of this process, which other programs on the machine do not add to. @returns milliseconds since then. */
export function processorTime(): () => number {
  const started = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(started);
    return (user + system) / 1000;
  };
}
