// The reference's emitter: {"call":"toUser","opts":{...}} publishes one message.
import { WebSocketEmitter } from '@venizia/ignis-helpers';
import { say, serveLines } from './lines.js';
import { openRedis } from './redis.js';

const emitter = new WebSocketEmitter({ identifier: 'emitter', redisConnection: openRedis('emitter') });
await emitter.configure();
say({ callback: 'ready' });

const calls = ['toClient', 'toUser', 'toRoom', 'broadcast'];
await serveLines(r => {
  if (!calls.includes(r.call)) throw new Error(`no such call: ${r.call}`);
  return emitter[r.call](r.opts);
});
await emitter.shutdown();
process.exit(0);
