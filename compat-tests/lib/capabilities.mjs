// What the target can do, which decides the cases that are registered. Run from a target file or by
// `make compat`, TARGET_CAPABILITIES says it; else it follows from TARGET_KIND and TARGET_CMD.
export const KNOWN = {
  redis: 'keeps everything in a Redis that the suite may read, write and empty',
  start: 'can be started by the suite, several at once, each on a Redis of its own',
  exact: "has the original's weaknesses too (no check of who writes where, presence by tab)",
  safe: 'has those weaknesses repaired; cases that show them are left out',
  faults: 'may be killed and started again, and its Redis may go away',
  deviations: 'does better where bad input or a lost Redis ends the original',
  embedded: "has this repository's embedded store: STORE, DATA_FILE, export, import",
  page: "has this repository's built-in page",
  'client-dir': 'serves the folder named by CLIENT_DIR or {client}',
  'client-files': 'serves the Socket.IO 3.0.4 client under /socket.io/',
  settings: 'takes its settings as the original does: the variables and the argument of http-and-redis.md section 13',
  'native-bcrypt': 'hashes as the native bcrypt does, in the corners where bcryptjs differs',
};

function fromKind({ TARGET_KIND, TARGET_CMD = '', ENGINE_CLIENT_DIR }) {
  const isOriginal = TARGET_KIND === 'node';
  // The original has a fixed folder of its own, its double (node-peer/) has not.
  const isDouble = /node-peer\//.test(TARGET_CMD);
  const isOurs = TARGET_CMD === '' || TARGET_CMD.endsWith('redis-chat-server');
  return [
    'redis', 'start', 'exact', 'faults',
    ...(isOriginal ? [] : ['deviations', 'page']),
    ...(isOurs ? ['embedded'] : []),
    ...(!isOriginal || isDouble || TARGET_CMD.includes('{client}') ? ['client-dir'] : []),
    ...(!isOriginal || isDouble ? ['native-bcrypt'] : []),
    // A command that is told its port or its Redis otherwise need not know the variables.
    ...(/\{(?:port|redis)\}/.test(TARGET_CMD) ? [] : ['settings']),
    ...(ENGINE_CLIENT_DIR ? ['client-files'] : []),
  ];
}

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** Reads a list of capabilities; throws at a word that is none. */
export function capabilities(text) {
  const unknown = words(text).filter((word) => !(word in KNOWN));
  if (unknown.length > 0) throw new Error(`unknown capabilities: ${unknown.join(', ')}; there are ${Object.keys(KNOWN).join(', ')}`);
  return words(text);
}

const given = new Set(process.env.TARGET_CAPABILITIES === undefined ? fromKind(process.env) : capabilities(process.env.TARGET_CAPABILITIES));

export const has = (name) => given.has(name);
