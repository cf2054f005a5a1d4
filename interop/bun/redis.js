// All scripts use the Redis on the port in REDIS_PORT.
import { RedisHelper } from '@venizia/ignis-helpers';

export function openRedis(name) {
  return new RedisHelper({
    name,
    host: '127.0.0.1',
    port: Number(process.env.REDIS_PORT),
    password: '',
    autoConnect: false,
  });
}
