// The reference's server, configured to behave as `ignis serve` does: with
// JWT_SECRET it takes HS256 tokens, without it any credentials (development mode).
import { createHmac } from 'node:crypto';
import { WebSocketServerHelper } from '@venizia/ignis-helpers';
import { Hono } from 'hono';
// The package doesn't export this path, but only this handler knows how the
// framework answers an upgrade that fails and a plain request.
import { createBunFetchHandler } from '../node_modules/@venizia/ignis/dist/components/websocket/handlers/bun.handler.js';
import { say, serveLines } from './lines.js';
import { openRedis } from './redis.js';

const secret = process.env.JWT_SECRET;
const users = new Map(); // client id -> allowed rooms, in token mode
let ws;

function claims(token) {
  const [header, body, signature] = String(token).split('.');
  const expected = createHmac('sha256', secret).update(`${header}.${body}`).digest('base64url');
  return signature === expected ? JSON.parse(Buffer.from(body, 'base64url')) : null;
}

async function authenticateFn(data) {
  if (data.throw) throw new Error('asked to throw');
  if (data.wait) await new Promise(resolve => setTimeout(resolve, data.wait));
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

// In development mode a message whose data names a room that its sender is in
// is relayed to that room, with its sender as the last field.
function messageHandler({ clientId, userId, message }) {
  say({ callback: 'message', clientId, userId, message });
  const { from, ...data } = message.data ?? {};
  if (typeof data.room !== 'string' || !ws.getClients({ id: clientId })?.rooms.has(data.room)) return;
  data.from = { id: clientId, userId };
  ws.send({ destination: data.room, payload: { topic: message.event, data } });
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: createBunFetchHandler({ wsPath: '/ws', honoServer: new Hono() }),
  websocket: { message() {} },
});
ws = new WebSocketServerHelper({
  identifier: 'reference',
  path: '/ws',
  redisConnection: openRedis('server'),
  server,
  authTimeout: process.env.AUTH_TIMEOUT ? Number(process.env.AUTH_TIMEOUT) : undefined,
  heartbeatInterval: process.env.HEARTBEAT_INTERVAL ? Number(process.env.HEARTBEAT_INTERVAL) : undefined,
  heartbeatTimeout: process.env.HEARTBEAT_TIMEOUT ? Number(process.env.HEARTBEAT_TIMEOUT) : undefined,
  authenticateFn,
  validateRoomFn,
  messageHandler,
  clientConnectedFn: opts => say({ callback: 'connected', ...opts }),
  clientDisconnectedFn: opts => say({ callback: 'disconnected', ...opts }),
});
await ws.configure();
server.reload({
  fetch: createBunFetchHandler({ wsPath: '/ws', honoServer: new Hono() }),
  websocket: ws.getBunWebSocketHandler(),
});
say({ callback: 'listening', url: `http://127.0.0.1:${server.port}` });

const calls = {
  send: r => ws.send(r.opts),
  sendToClient: r => ws.sendToClient(r.opts),
  sendToUser: r => ws.sendToUser(r.opts),
  sendToRoom: r => ws.sendToRoom(r.opts),
  broadcast: r => ws.broadcast(r.opts),
  rooms: r => [...(ws.getClients({ id: r.opts.id })?.rooms ?? [])],
  shutdown: () => ws.shutdown(),
};
await serveLines(r => calls[r.call](r));
await ws.shutdown();
process.exit(0);
