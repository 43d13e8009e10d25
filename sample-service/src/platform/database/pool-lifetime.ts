import type { Pool } from 'pg'

const shortestS = 25 * 60
const longestS = 30 * 60

/**
 * Has `pool` close each of its connections 25 to 30 minutes after it was made, when it is idle: a pool finds the servers that
 * a failover or a balancer has put in the place of others. Drawn at random, so that all are not dialled anew at once.
 */
export function limitLifetimes(pool: Pool): Pool {
  // The pool reads it for each connection, before it tells of it.
  const draw = (): void => {
    pool.options.maxLifetimeSeconds = shortestS + Math.random() * (longestS - shortestS)
  }
  draw()
  return pool.on('connect', draw)
}
