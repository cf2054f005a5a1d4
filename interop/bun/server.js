// Runs the reference's server, configured to behave like `ignis serve`: with JWT_SECRET it
// accepts HS256 tokens, and without it any credentials, as in development mode.
import { createHmac } from 'node:crypto';
import { WebSocketServerHelper } from '@venizia/ignis-helpers';
import { Hono } from 'hono';
// The package does not export this path, but this handler determines how the framework
// answers failed upgrades and plain requests.
import { createBunFetchHandler } from '../node_modules/@venizia/ignis/dist/components/websocket/handlers/bun.handler.js';
import { say, serveLines } from './lines.js';
import { openRedis } from './redis.js';

const secret = process.env.JWT_SECRET;
let ws;

function claims(token) {
  const [header, body, signature] = String(token).split('.');
  const expected = createHmac('sha256', secret).update(`${header}.${body}`).digest('base64url');
  return signature === expected ? JSON.parse(Buffer.from(body, 'base64url')) : null;
}

async function authenticateFn(data) {
  if (data.refuse) return null;
  if (data.fail) throw new Error('asked to fail');
  if (data.hang) await new Promise(() => {});
  if (secret === undefined) {
    const userId = data.userId ?? data.token;
    return userId === undefined ? {} : { userId };
  }
  const found = claims(data.token);
  return found === null ? null : { userId: found.sub, metadata: { rooms: found.rooms } };
}

function validateRoomFn({ clientId, rooms }) {
  if (secret === undefined) return rooms;
  const allowed = ws.getClients({ id: clientId })?.metadata?.rooms ?? [];
  return rooms.filter(room => allowed.includes(room));
}

// In development mode, relays a message to the room that its data names, if the sender is in
// it. The sender is added as the last field.
function messageHandler({ clientId, userId, message }) {
  const { from, ...data } = message.data ?? {};
  if (typeof data.room !== 'string' || !ws.getClients({ id: clientId })?.rooms.has(data.room)) return;
  data.from = { id: clientId, userId };
  ws.send({ destination: data.room, payload: { topic: message.event, data } });
}

// Outcomes of the handshake, selected by HANDSHAKE. If that is unset, none is required.
const handshakes = {
  none: undefined,
  refuse: () => null,
  fail: () => {
    throw new Error('asked to fail');
  },
  accept: () => ({ serverPublicKey: 'key', salt: 'salt' }),
};

const milliseconds = name => (process.env[name] ? Number(process.env[name]) : undefined);

const fetch = createBunFetchHandler({ wsPath: '/ws', honoServer: new Hono() });
const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch, websocket: { message() {} } });
ws = new WebSocketServerHelper({
  identifier: 'reference',
  path: '/ws',
  redisConnection: openRedis('server'),
  server,
  authTimeout: milliseconds('AUTH_TIMEOUT'),
  heartbeatInterval: milliseconds('HEARTBEAT_INTERVAL'),
  heartbeatTimeout: milliseconds('HEARTBEAT_TIMEOUT'),
  requireEncryption: process.env.HANDSHAKE !== undefined,
  handshakeFn: handshakes[process.env.HANDSHAKE],
  authenticateFn,
  validateRoomFn,
  messageHandler,
});
await ws.configure();
server.reload({ fetch, websocket: ws.getBunWebSocketHandler() });
say({ url: `http://127.0.0.1:${server.port}` });

let down; // the promise of the first shutdown, because a second one would never end
const shutdown = () => (down ??= ws.shutdown());
const calls = { send: opts => ws.send(opts), shutdown };
await serveLines(({ call, opts }) => calls[call](opts));
await shutdown();
process.exit(0);
