// Proof that the suite finds faults: each is put into a copy of the server, and cases must fail that pass otherwise.
//
//   make mutants                     all of them, a quarter of an hour; writes the table in README.md
//   node mutants.mjs cookie-padding  one, without writing
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { classify, filesFor, readResults, runnable } from './tools/results.mjs';
import { allFiles, runFiles, suite } from './tools/runner.mjs';
import { environmentFor, readTarget } from './tools/targets.mjs';

const REST = /^cases\/(?:http|wire)\/(?!redis-lost|seeding|start|static)/;
const REALTIME = /^cases\/(?:realtime|wire)\/(?!faults|redis-|slow|stop)/;

/** `from` is in `file` exactly once, and becomes `to`. */
export const mutants = [
  {
    name: 'cookie-padding', fault: 'the signature of the cookie keeps its padding', cases: REST, file: 'src/contract/cookie.rs',
    from: 'STANDARD_NO_PAD.encode(key.clone().chain_update(sid).finalize().into_bytes())',
    to: 'format!("{}=", STANDARD_NO_PAD.encode(key.clone().chain_update(sid).finalize().into_bytes()))',
  },
  {
    name: 'etag', fault: 'the length in an ETag is off by one', cases: REST, file: 'src/http/respond.rs',
    from: 'self.body.len(), &digest', to: 'self.body.len() + 1, &digest',
  },
  {
    name: 'id-string', fault: '`id` is always a string, also after a registration', cases: REST, file: 'src/http/login.rs',
    from: 'Json::Num(id as f64)', to: 'id.to_string().as_str().into()',
  },
  {
    name: 'order', fault: 'an event now and then overtakes the one before it', cases: REALTIME, file: 'src/engine/queue.rs',
    from: '        self.frames.push_back(frame);',
    to: '        let at = self.frames.len();\n        if at % 10 == 9 { self.frames.insert(at - 1, frame) } else { self.frames.push_back(frame) }',
  },
  {
    name: 'not-renewed', fault: 'a request does not renew the life of its session', cases: REST, file: 'src/store/redis/sessions.rs',
    from: 'ask.cmd("GETEX").arg(session(sid)).arg("EX").arg(SESSION_SECONDS);',
    to: 'ask.cmd("GET").arg(session(sid));\n        let _ = SESSION_SECONDS;',
  },
  {
    name: 'private', fault: 'a private message goes to everybody', cases: REALTIME, file: 'src/chat/messages.rs',
    from: 'chat.emit(&audience, None, &frames);', to: 'let _ = &audience;\n                chat.emit(&Audience::Everyone, None, &frames);',
  },
  {
    name: 'upgrade', fault: 'the upgrade to a WebSocket loses what was queued last', cases: REALTIME, file: 'src/engine/session.rs',
    from: '                self.transport = Transport::WebSocket(probe.wire);',
    to: '                self.queue.pop();\n                self.transport = Transport::WebSocket(probe.wire);',
  },
];

const root = join(suite, '..');
const BEGIN = '<!-- mutants: made by mutants.mjs -->';
const END = '<!-- end of mutants -->';

/** A server with the fault in it, built in `copy`. */
function build({ file, from, to }, copy) {
  const path = join(copy, file);
  const text = readFileSync(path, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file} does not hold the text to change exactly once: ${from}`);
  writeFileSync(path, text.replace(from, () => to));
  try {
    const target = join(root, 'target', 'mutants');
    const { status } = spawnSync('cargo', ['build', '--locked', '--quiet'], { cwd: copy, env: { ...process.env, CARGO_TARGET_DIR: target }, stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) throw new Error('the copy does not build');
    return join(target, 'debug', 'redis-chat-server');
  } finally {
    writeFileSync(path, text);
  }
}

/** Ids of the cases that fail with the fault and pass without. */
async function caught(mutant, copy) {
  const target = { ...readTarget('rust'), command: build(mutant, copy) };
  const { files } = runnable(filesFor(target, allFiles().filter((file) => mutant.cases.test(file))));
  const { results } = classify(await runFiles(files, { environment: environmentFor(target) }));
  const passed = new Set(readResults('rust').filter(({ outcome }) => outcome === 'pass').map(({ id }) => id));
  return results.filter(({ id, outcome }) => outcome !== 'pass' && passed.has(id)).map(({ id }) => id);
}

async function main(names) {
  const unknown = names.filter((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new Error(`there is no mutant ${unknown.join(', ')}`);
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.includes(name));
  const copy = mkdtempSync(join(tmpdir(), 'compat-mutants-'));
  const rows = [];
  try {
    execFileSync('git', ['-C', root, 'worktree', 'add', '--quiet', '--detach', '--force', copy, 'HEAD']);
    for (const mutant of chosen) {
      const ids = await caught(mutant, copy);
      rows.push({ ...mutant, ids });
      console.log(`${mutant.name}: ${ids.length} cases caught it\n${ids.slice(0, 10).map((id) => `  ${id}`).join('\n')}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
    execFileSync('git', ['-C', root, 'worktree', 'prune']);
  }
  if (names.length === 0) writeTable(rows);
  if (rows.some(({ ids }) => ids.length === 0)) throw new Error('A fault was not found.');
}

/** The first case of each of up to three files says more than three of one. */
function examples(ids) {
  const files = new Map(ids.map((id) => [id.slice(0, id.indexOf(': ')), id]).reverse());
  return [...files.values()].reverse().slice(0, 3).map((id) => `\`${id.replaceAll('|', '\\|')}\``).join('<br>');
}

function writeTable(rows) {
  const path = join(suite, 'README.md');
  const text = readFileSync(path, 'utf8');
  const lines = rows.map(({ fault, ids }) => `| ${fault} | ${ids.length} | ${examples(ids)} |`);
  const table = `| fault | cases that fail | among them |\n| --- | --: | --- |\n${lines.join('\n')}`;
  writeFileSync(path, `${text.slice(0, text.indexOf(BEGIN) + BEGIN.length)}\n\n${table}\n\n${text.slice(text.indexOf(END))}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
