// Runs the reference's emitter. A request such as {"call":"toUser","opts":{...}} publishes
// one message.
import { WebSocketEmitter } from '@venizia/ignis-helpers';
import { say, serveLines } from './lines.js';
import { openRedis } from './redis.js';

const emitter = new WebSocketEmitter({ identifier: 'emitter', redisConnection: openRedis('emitter') });
await emitter.configure();
say({ ready: true });

await serveLines(({ call, opts }) => emitter[call](opts));
await emitter.shutdown();
process.exit(0);
