// Numbered messages: is the series whole and in order?

/** As the recordings note a series of `expected` numbers from 0. */
export function series(numbers, expected) {
  return {
    n: numbers.length, expected, distinct: new Set(numbers).size,
    inOrder: numbers.every((number, i) => i === 0 || number > numbers[i - 1]),
  };
}

export const whole = (n) => ({ n, expected: n, inOrder: true, distinct: n });

/** No gap, no copy and no step back between the first and the last. */
export const gapless = (numbers) => numbers.every((number, i) => i === 0 || number === numbers[i - 1] + 1);

/** The numbers in the texts of `message` frames, or in the data of events named `n`. */
export function numbersOf(frames) {
  const found = [];
  for (const frame of frames) {
    if (typeof frame !== 'string') continue;
    const number = /^42\["(?:n|big)","?(\d+)/.exec(frame) ?? /^42\["message",.*?"message":"(\d+)/.exec(frame);
    if (number) found.push(Number(number[1]));
  }
  return found;
}

/** Publishes events `n` with the numbers from `from` to `to`, many per round trip; each carries `size` bytes more. */
export async function publishNumbers(client, from, to, { size = 0, event = 'n' } = {}) {
  const filler = size > 0 ? ` ${'w'.repeat(size)}` : '';
  for (let start = from; start < to; start += 500) {
    const pipeline = client.pipeline();
    for (let i = start; i < Math.min(start + 500, to); i += 1) {
      pipeline.publish('MESSAGES', JSON.stringify({ serverId: 'elsewhere:1', type: event, data: filler ? `${i}${filler}` : i }));
    }
    await pipeline.exec();
  }
}
