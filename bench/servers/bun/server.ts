// A server for the comparison that uses the reference, @venizia/ignis-helpers. It accepts
// everyone, allows every room, and relays the messages of clients to the rooms that they
// name. It logs what the package logs, unless BENCH_SILENT is set.
import { applicationLogger, ECDH, RedisHelper, WebSocketServerHelper } from '@venizia/ignis-helpers';

declare const Bun: any;
declare const process: any;

applicationLogger.silent = process.env.BENCH_SILENT !== undefined;

const flag = (name: string): string => process.argv[process.argv.indexOf(`-${name}`) + 1];
const redis = new URL(flag('redis'));
const [hostname, port] = flag('listen').split(':');

const path = '/ws';
// This does what the handler of the framework does.
const fetch = (req: Request, server: any) => {
  if (new URL(req.url).pathname !== path) return new Response(null, { status: 404 });
  if (server.upgrade(req, { data: { clientId: crypto.randomUUID() } })) return undefined;
  return new Response('WebSocket upgrade failed', { status: 500 });
};
// With -encrypt, this provides what the package leaves to applications: it agrees on keys
// with the ECDH class of the package, and encrypts messages in the outbound transformer.
// The package also passes the connected event to the transformer. That event must remain
// unencrypted, because clients need the key agreement in it to decrypt anything.
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
  heartbeatTimeout: 3_600_000, // an idle herd may send only answers to pings for minutes
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
