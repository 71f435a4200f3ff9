// A reporter for node:test: one JSON line per case of one file, with what a failure expected and what
// came. (`data.file` is where test() was called, which may be in lib/: so there is one run per file.)
import { inspect } from 'node:util';

const LONGEST = 6000;

const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text);
const shown = (value) => cut(typeof value === 'string' ? value : inspect(value, { depth: 8, breakLength: 100, maxArrayLength: 200 }));

function failure(error) {
  const cause = typeof error?.cause === 'object' ? error.cause : undefined;
  const told = { message: cut(String(cause?.message ?? error?.message ?? error)) };
  if (cause && 'expected' in cause) Object.assign(told, { expected: shown(cause.expected), actual: shown(cause.actual) });
  return told;
}

export default async function* reporter(source) {
  /** Names of the suites that are open. */
  const names = [];
  for await (const { type, data } of source) {
    if (!['test:start', 'test:pass', 'test:fail'].includes(type)) continue;
    names.length = data.nesting;
    names[data.nesting] = data.name;
    if (type === 'test:start') continue;
    const passed = type === 'test:pass';
    const error = data.details?.error;
    // A suite that fails by its cases is told by them; one that fails by itself (a hook) has no other voice.
    if (data.details?.type === 'suite' && (passed || error?.failureType === 'subtestsFailed')) continue;
    // A file that can't be read or is ended; its name is a path of this machine.
    const whole = data.nesting === 0 && data.name.endsWith('.test.mjs');
    yield `${JSON.stringify({
      names: whole ? ['(the file itself)'] : names,
      outcome: data.skip !== undefined || data.todo !== undefined ? 'skip' : passed ? 'pass' : 'fail',
      ms: Math.round(data.details?.duration_ms ?? 0),
      ...(!passed && { error: failure(error) }),
    })}\n`;
  }
}
