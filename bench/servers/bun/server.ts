// The comparison's server made with the reference, @venizia/ignis-helpers: it
// lets everyone in and everyone join, and relays what a client sends to the room
// that the message names. It logs as the package does, unless BENCH_SILENT is set.
import { applicationLogger, ECDH, RedisHelper, WebSocketServerHelper } from '@venizia/ignis-helpers';

declare const Bun: any;
declare const process: any;

applicationLogger.silent = process.env.BENCH_SILENT !== undefined;

const flag = (name: string): string => process.argv[process.argv.indexOf(`-${name}`) + 1];
const redis = new URL(flag('redis'));
const [hostname, port] = flag('listen').split(':');

const path = '/ws';
// As the framework's own handler does.
const fetch = (req: Request, server: any) => {
  if (new URL(req.url).pathname !== path) return new Response(null, { status: 404 });
  if (server.upgrade(req, { data: { clientId: crypto.randomUUID() } })) return undefined;
  return new Response('WebSocket upgrade failed', { status: 500 });
};
// With -encrypt, what the package leaves to its users: a key agreement with its own
// ECDH class, and sealing in the outbound transformer. The connected event, which
// the package puts through the transformer too, has to be left in clear: without it
// no client could open anything.
const keys = new Map<string, any>();
const ecdh = ECDH.withAlgorithm();
const encryption = process.argv.includes('-encrypt') && {
  requireEncryption: true,
  handshakeFn: async ({ clientId, data }: any) => {
    const own = await ecdh.generateKeyPair();
    const peerPublicKey = await ecdh.importPublicKey({ rawKeyB64: data.publicKey });
    const { key, salt } = await ecdh.deriveAESKey({ privateKey: own.keyPair.privateKey, peerPublicKey });
    keys.set(clientId, key);
    return { serverPublicKey: own.publicKeyB64, salt };
  },
  outboundTransformer: async ({ client, event, data }: any) => {
    if (event === 'connected') return null;
    const sealed = await ecdh.encrypt({ message: JSON.stringify({ event, data }), secret: keys.get(client.id) });
    return { event: 'encrypted', data: sealed };
  },
};

const server = Bun.serve({ hostname, port: Number(port), fetch, websocket: { message() {} } });

const ws = new WebSocketServerHelper({
  identifier: 'bench',
  path,
  redisConnection: new RedisHelper({
    name: 'bench',
    host: redis.hostname,
    port: Number(redis.port),
    password: '',
    autoConnect: false,
  }),
  server,
  heartbeatTimeout: 3_600_000, // a herd that idles for minutes sends nothing but answers to pings
  authenticateFn: async () => ({}),
  ...encryption,
  validateRoomFn: ({ rooms }: { rooms: string[] }) => rooms,
  messageHandler: ({ message }: { message: any }) => {
    if (message.data?.room) ws.send({ destination: message.data.room, payload: { topic: message.event, data: message.data } });
  },
});
await ws.configure();
server.reload({ fetch, websocket: ws.getBunWebSocketHandler() });
console.log(`listening on http://${hostname}:${server.port}`);
