// What every case is about: its area, the section of the contract it holds a server to, and its level.
// H = docs/contract/http-and-redis.md, R = docs/contract/realtime.md.
//
// MUST: a client or a server beside it relies on it; the original does it too.
// MAY: better than the original, of this repository alone, or measured without anybody relying on it.
//
// A row is [file, area, section, level] for all cases of a file, or has a pattern for their names
// (`suite > case`) as its fifth. Every case fits exactly one row: the runner fails otherwise.
const MUST = 'MUST';
const MAY = 'MAY';
const not = (...patterns) => ({ test: (name) => !patterns.some((pattern) => pattern.test(name)) });

/** Rows of one file that differ in section and level: `[section, level, pattern, area?]`. */
const mixed = (file, area, rows) => rows.map(([section, level, pattern, other]) => [file, other ?? area, section, level, pattern]);

export const AREAS = ['rest', 'session', 'redis', 'engine', 'socket', 'cluster', 'browser'];

const http = [
  ['http/body', 'rest', 'H5', MUST],
  ['http/conditional', 'rest', 'H1', MUST],
  ['http/cookies', 'session', 'H6', MUST],
  ['http/faults', 'rest', 'H14', MAY],
  ...mixed('http/login', 'rest', [
    ['H2', MAY, /^two registrations of one new name/],
    ['H2', MUST, not(/^two registrations of one new name/)],
  ]),
  ...mixed('http/messages', 'rest', [
    ['H9', MAY, /without the members that are no JSON/],
    ['H9', MUST, /^(?:what is stored|equal scores)/],
    ['H2', MUST, /^preload > (?!without the members)/],
    ['H2', MUST, /^(?:ranges|a room that|reading changes)/],
    ['H15', MUST, /^anybody signed in/],
  ]),
  ...mixed('http/paths', 'rest', [
    ['H1', MUST, /^the path on the 404 page/],
    ['H3', MUST, not(/^the path on the 404 page/)],
  ]),
  ...mixed('http/protocol', 'rest', [
    ['H3', MUST, /^OPTIONS/],
    ['H2', MUST, /^\/randomname/],
    ['H1', MUST, not(/^OPTIONS/, /^\/randomname/)],
  ]),
  ...mixed('http/query', 'rest', [
    ['H4', MAY, /^two values for one index/],
    ['H4', MUST, not(/^two values for one index/)],
  ]),
  ['http/redis-lost', 'redis', 'H13', MAY],
  ...mixed('http/replay', 'rest', [
    ['H6', MUST, /^(?:03|08|09|10)-/, 'session'],
    ['H2', MUST, /^(?:04|05|06|11|12|14|15|16|17)-/],
    ['H1', MUST, /^07-/],
    ['H9', MUST, /^13-/],
    ['H3', MUST, /^18-/],
    ['H5', MUST, /^19-/],
    ['H12', MUST, /^20-/],
    ['H14', MAY, /^21-/],
  ]),
  ['http/rooms', 'rest', 'H2', MUST],
  ...mixed('http/seeding', 'redis', [
    ['H11', MAY, /at the same time/],
    ['H11', MUST, not(/at the same time/)],
  ]),
  ['http/session-races', 'session', 'H6', MAY],
  ...mixed('http/sessions', 'session', [
    ['H6', MAY, /^what is stored and corrupt(?!.*is an error)/],
    ['H6', MUST, not(/^what is stored and corrupt(?!.*is an error)/)],
  ]),
  ...mixed('http/start', 'redis', [
    ['H6', MAY, /^rotation of the secret/, 'session'],
    ['H13', MAY, /nobody there|somebody there who does not answer/],
    ['H13', MUST, not(/^rotation of the secret/, /nobody there|somebody there who does not answer/)],
  ]),
  ['http/static', 'rest', 'H12', MUST],
  ['http/users', 'rest', 'H2', MUST],
  ...mixed('original/recorded', 'redis', [
    ['H11', MAY, /> 0[12]-/],
    ['H14', MAY, /> 21-faults/],
    ['R11', MAY, /> 2[56]-/],
    ['H8', MAY, not(/> 0[12]-/, /> 21-faults/, /> 2[56]-/)],
  ]),
];

const engine = [
  ...mixed('realtime/client-files', 'engine', [
    ['R6', MAY, /^client\.br$/],
    ['R6', MUST, not(/^client\.br$/)],
  ]),
  ...mixed('realtime/handshake', 'engine', [
    ['R1.1', MUST, /^hs\.path/],
    ['R1.2', MUST, /^hs\.polling\.(?!sids)/],
    ['R1.3', MUST, /^hs\.open-fields/],
    ['R1.4', MUST, /^hs\.polling\.sids-differ/],
    ['R1.5', MUST, /^hs\.(?:cors|no-cookie)/],
    ['R1.5', MAY, /^hs\.trident/],
    ['R1.6', MUST, /^hs\.(?:transport|unknown-sid|method|post-bad|sid-)/],
    ['R1.8', MAY, /^hs\.jsonp/],
    ['R1.5', MAY, /^hs\.http10/],
    ['R1.5', MUST, /^hs\.keepalive/],
  ]),
  ['realtime/polling', 'engine', 'R2', MUST],
  ...mixed('realtime/websocket', 'engine', [
    ['R1.2', MUST, /^ws\.eio/],
    ['R1.5', MUST, /^ws\.origin/],
    ['R1.7', MAY, /^ws\.raw\.version-8/],
    ['R1.7', MUST, /^ws\.(?:bad\.|raw\.(?!version-8))/],
    ['R3', MAY, /^ws\.input\.(?:open|close|ping-probe|upgrade)$/],
    ['R3', MUST, not(/^ws\.(?:eio|origin|bad\.|raw\.)/, /^ws\.input\.(?:open|close|ping-probe|upgrade)$/)],
  ]),
  ['realtime/upgrade', 'engine', 'R4', MUST],
  ['realtime/upgrade-load', 'engine', 'R4.2', MUST],
  ...mixed('realtime/slow', 'engine', [
    ['R5', MAY, /hb\.message-counts-as-life/],
    ['R5', MUST, /hb\.(?!message-counts)/],
    ['R4.5', MUST, / up\.|^up\./],
    ['R10.2', MUST, /bp\./],
  ]),
  ...mixed('realtime/slow-reader', 'engine', [
    ['R10.2', MUST, /bp\.slow-reader/],
    ['R10.2', MAY, not(/bp\.slow-reader/)],
  ]),
];

const LAX_CLOSES = /^sio\.closes\.(?:letter|event-string|event-trailing|disconnect-payload|binary-bad-count|ack-object|connect-error-number)$/;

const socket = [
  ...mixed('realtime/socketio', 'socket', [
    ['R7.1', MUST, /^sio\.(?:silent|sid|auth)/],
    ['R7.2', MUST, /^sio\.ns\./],
    ['R7.3', MUST, /^sio\.event-/],
    ['R7.4', MUST, /^sio\.(?:disconnect|reconnect)/],
    ['R7.5', MUST, /^sio\.connect-twice/],
    ['R7.6', MUST, /^sio\.ok\./],
    ['R7.7', MUST, /^sio\.(?:binary|long)/],
    ['R7.8', MAY, LAX_CLOSES],
    ['R7.8', MUST, { test: (name) => /^sio\.closes\./.test(name) && !LAX_CLOSES.test(name) }],
  ]),
  ...mixed('realtime/presence', 'socket', [
    ['R8.1', MUST, /^chat\.(?:anonymous|cookie|login-after|logout-while|session-user|no-session)/],
    ['R8.2', MUST, /^chat\.(?:connect-broadcast|two-tabs|id-type)/],
    ['R8.3', MAY, /^chat\.immediate-emit/],
    ['R8.4', MUST, /^chat\.join\.(?!ack)/],
    ['R7.6', MUST, /^chat\.(?:join\.ack|unknown-event)/],
    ['R8.6', MUST, /^chat\.disconnect-broadcast/],
    ['R8.6', MAY, /^chat\.event-named-disconnect/],
    ['R7.1', MUST, /^chat\.connect-frame-first/],
    ['R7.4', MUST, /^chat\.reconnect-same-engine/],
  ]),
  ['realtime/presence-random', 'socket', 'R8.6', MUST],
  ...mixed('realtime/message', 'socket', [
    ['R8.6', MAY, /^chat\.leave-after-messages/],
    ['R8.6', MUST, /^chat\.message-then-/],
    ['R8.5', MAY, /^chat\.text\.lone$/],
    ['R8.5', MUST, not(/^chat\.leave-after-messages/, /^chat\.message-then-/, /^chat\.text\.lone$/)],
  ]),
  ['realtime/faults', 'socket', 'R11', MAY],
  ...mixed('realtime/order', 'socket', [
    ['R10.1', MAY, /^order\.private-(?:stream-exact|many|two-senders)|^load\.churn-at-once/],
    ['R10.2', MUST, /^bp\./],
    ['R10.1', MUST, not(/^order\.private-(?:stream-exact|many|two-senders)|^load\.churn-at-once/, /^bp\./)],
  ]),
  ...mixed('realtime/oldtab', 'socket', [
    ['R12', MAY, /^tab\.emit-while-down-stored/],
    ['R12', MUST, not(/^tab\.emit-while-down-stored/)],
  ]),
  ['realtime/stock-clients', 'socket', 'R12', MUST],
  ['realtime/stop', 'socket', 'R12.4', MAY],
];

const cluster = [
  ['cluster/cuts', 'cluster', 'R10', MAY],
  ['cluster/kills', 'cluster', 'R12', MAY],
  ['cluster/migration', 'cluster', 'R12', MAY],
  ['cluster/oracle', 'cluster', 'R10', MAY],
  ['realtime/mixed', 'cluster', 'R9', MUST],
  ...mixed('realtime/recorded', 'cluster', [
    ['H10', MUST, /^25-/],
    ['R8', MUST, /^2[234]-/],
  ]),
  ...mixed('realtime/pubsub', 'cluster', [
    ['R9', MAY, /^pubsub\.(?:type-missing|type-null|json-|number-format|dup-keys)/],
    ['R9', MUST, not(/^pubsub\.(?:type-missing|type-null|json-|number-format|dup-keys)/)],
  ]),
  ['realtime/gap', 'cluster', 'R10.2', MAY],
  ['realtime/redis-away', 'redis', 'R11', MAY],
  ['realtime/redis-chaos', 'redis', 'R10.1', MAY],
];

const wire = [
  ...mixed('wire/rest', 'rest', [
    ['H1', MUST, /^answers/],
    ['H3', MUST, /^paths/],
    ['H5', MUST, /^bodies/],
    ['H9', MUST, /^messages > kept/],
    ['H2', MUST, not(/^answers/, /^paths/, /^bodies/, /^messages > kept/)],
  ]),
  ['wire/session', 'session', 'H6', MUST],
  ...mixed('wire/engine', 'engine', [
    ['R1', MUST, /^handshake/],
    ['R2', MUST, /^polling/],
    ['R4', MUST, /^upgrade/],
  ]),
  ['wire/heartbeat', 'engine', 'R5', MUST],
  ...mixed('wire/socket', 'socket', [
    ['R7', MUST, /^namespaces/],
    ['R8', MUST, /^(?:presence|rooms)/],
  ]),
  ['wire/clients', 'socket', 'R12', MUST],
  ['wire/rust-client', 'socket', 'R12', MUST],
];

// The page and the embedded store are this repository's own; the contract is what they keep to as well.
const own = [
  ['page/chat', 'browser', 'H16', MAY],
  ['page/connection', 'browser', 'R12', MAY],
  ['page/files', 'browser', 'H12', MAY],
  ['page/sign-in', 'browser', 'H16', MAY],
  ['page/unit-chat', 'browser', 'H16', MAY],
  ['page/unit-text', 'browser', 'H16', MAY],
  ['page/unit-wire', 'browser', 'R7', MAY],
  ['embedded/server', 'redis', 'H13', MAY],
  ['embedded/transfer', 'redis', 'H7', MAY],
];

// What COMPAT=safe repairs of the weaknesses that section 15 lists.
const safe = [
  ['safe/rest', 'rest', 'H15', MAY],
  ['safe/session', 'session', 'H15', MAY],
  ['safe/socket', 'socket', 'H15', MAY],
  ['safe/cluster', 'cluster', 'H15', MAY],
  ['safe/hostile', 'engine', 'R10.2', MAY],
  ['safe/presence', 'cluster', 'R8', MAY],
  ['safe/links', 'cluster', 'R8', MAY],
  ['safe/acl', 'redis', 'H8', MAY],
  ...mixed('safe/limits', 'rest', [
    ['H15', MAY, /^sessions/, 'session'],
    ['H15', MAY, /^(?:sockets|sizes > a message)/, 'socket'],
    ['H15', MAY, not(/^sessions/, /^sockets/, /^sizes > a message/)],
  ]),
];

// The original's own client, whose flows section 16 tells, and how its copy is got.
const client = [
  ['browser/beside', 'browser', 'R9', MUST],
  ['browser/copy', 'browser', 'H16', MAY],
  ['browser/first-contact', 'browser', 'H16', MUST],
  ['browser/history', 'browser', 'H9', MUST],
  ['browser/presence', 'browser', 'R8', MUST],
  ['browser/restart', 'browser', 'R12.2', MUST],
  ['browser/same', 'browser', 'H16', MUST],
  ['browser/second-connect', 'browser', 'R7.5', MAY],
  ['browser/sign-in', 'browser', 'H16', MUST],
  ['browser/sign-out', 'browser', 'H6', MUST],
  ['browser/swap', 'browser', 'R12', MUST],
  ['browser/talk', 'browser', 'R8', MUST],
];

export const rows = [...http, ...engine, ...socket, ...cluster, ...wire, ...client, ...own, ...safe];

/** Cases that drive the original's client, of which there may be no copy here (upstream-client/). */
export const isOfClient = (file) => client.some(([name]) => name === file) && file !== 'browser/copy';

// What a target must be able to do for a file to be run at all (with `!`: must not), by folder, and more by file.
const BY_FOLDER = {
  browser: ['redis', 'start', 'client-dir'],
  cluster: ['redis', 'exact', 'faults'],
  embedded: ['embedded', 'start'],
  http: ['redis', 'exact'],
  original: ['redis', 'exact', 'faults', '!deviations'],
  page: ['page', 'start'],
  realtime: ['redis', 'exact'],
  safe: ['safe', 'start', 'deviations'],
  wire: [],
};
const BY_FILE = {
  'http/redis-lost': ['faults', 'deviations'], 'http/replay': ['start'], 'http/seeding': ['start'], 'http/start': ['settings', 'start'], 'http/static': ['start'],
  'browser/same': ['exact'], 'safe/cluster': ['redis'], 'safe/presence': ['redis', 'faults'], 'safe/links': ['redis', 'faults'], 'safe/acl': ['redis', 'start', 'faults'], 'realtime/faults': ['deviations'], 'realtime/gap': ['deviations', 'faults'], 'realtime/mixed': ['start'], 'realtime/oldtab': ['faults'], 'realtime/recorded': ['start'], 'realtime/redis-away': ['faults'],
  'realtime/redis-chaos': ['faults'], 'realtime/slow-reader': ['start'], 'realtime/stop': ['faults'],
};

/** Capabilities that `file` needs; a case may need more, which it says itself. */
export function needs(file) {
  const all = [...BY_FOLDER[file.split('/')[0]], ...(BY_FILE[file] ?? [])];
  return all.includes('faults') ? [...all, 'start'] : all;
}
